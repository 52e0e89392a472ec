// SPDX-License-Identifier: Apache-2.0
// A cluster that has to be made anew keeps its name: what lived inside the old one has to be made anew with it.
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { tokens as eksTokens } from "../plugins/aws/clusters.ts";
import { clientOf, folderOf } from "../plugins/clouds/clusters/cluster.ts";
import { clusterToken } from "../plugins/gcp/clusters.ts";
import { copyChart, recordedBy } from "./fixtures/cilium-chart.ts";
import { type CloudStack, createCloudStack } from "./fixtures/cloud-stack.ts";
import { loadBalancerService } from "./fixtures/load-balancer.ts";
import { previewOf } from "./fixtures/preview.ts";

let cloud: CloudStack;
let chartSource: string;
beforeEach(async () => {
  cloud = await createCloudStack();
  chartSource = copyChart(join(cloud.stack.directory, "chart"));
});
afterEach(() => cloud[Symbol.asyncDispose]());

const eks = (serviceCidr: string) =>
  cloud.configure("eks", {
    "aws:region": "us-east-1",
    "sansproxy:eks": { mode: "overlay", serviceCidr },
    "sansproxy:datapath": { engine: "cilium", chartSource },
  });

const gke = (location: string) =>
  cloud.configure("gke", {
    "gcp:project": "trial-project",
    "sansproxy:gke": { location, mode: "self-managed" },
    "sansproxy:datapath": { engine: "cilium", chartSource },
  });

const clouds = {
  "EKS with other Service addresses": {
    ...{ stack: eks, before: "172.20.0.0/16", after: "172.21.0.0/16" },
    ...{ type: eksTokens.cluster, folder: "eks-eks", inside: ["eks-datapath-release"] },
  },
  "GKE in another region": {
    ...{ stack: gke, before: "europe-west1", after: "europe-west3" },
    ...{ type: clusterToken, folder: "gke-gke", inside: ["gke-datapath-release", "gke-node-init"] },
  },
} as const;

test.each(Object.entries(clouds))("%s", async (_what, { stack, before, after, type, folder, inside }) => {
  const { account } = cloud;
  const client = () => clientOf(folderOf(account, folder));
  stack(before);
  await cloud.succeed("up", "--yes", "--skip-preview");
  const first = await recordedBy(client());
  await loadBalancerService(account, client(), "web");

  stack(after);
  const { operations } = await previewOf(cloud);
  for (const resource of inside) expect(operations.get(resource), resource).toMatch(/replace/);
  await cloud.succeed("up", "--yes", "--skip-preview");
  const deleted = account
    .journal()
    .filter((one) => one.type === type && one.call === "delete" && one.result === "done");
  expect(deleted).toHaveLength(1);
  const second = await recordedBy(client());
  expect(second.created.getTime()).toBeGreaterThan(first.created.getTime());
  // The old cluster's load balancers went while its nodes and its cloud controller still ran.
  expect(account.list().filter((part) => part.name === "default/web")).toEqual([]);
  await cloud.succeed("up", "--yes", "--skip-preview", "--expect-no-changes");

  await cloud.succeed("destroy", "--yes", "--skip-preview");
  expect(account.list()).toEqual([]);
  expect(account.clusters()).toEqual([]);
});
