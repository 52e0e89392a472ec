// SPDX-License-Identifier: Apache-2.0
// Cilium's other modes on the stacks eks and gke, on hollow nodes: the values arrive as they were reviewed, and before the nodes.
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { tokens as eksTokens } from "../../plugins/aws/clusters.ts";
import { clientOf, folderOf } from "../../plugins/clouds/clusters/cluster.ts";
import { copyChart, goldenValues, recordedBy } from "../fixtures/cilium-chart.ts";
import { type CloudStack, createCloudStack } from "../fixtures/cloud-stack.ts";
import { started } from "../fixtures/journal.ts";
import { loadBalancerService } from "../fixtures/load-balancer.ts";

let cloud: CloudStack;
let chartSource: string;

beforeEach(async () => {
  cloud = await createCloudStack();
  chartSource = copyChart(join(cloud.stack.directory, "chart"));
});
afterEach(() => cloud[Symbol.asyncDispose]());

const up = (...args: string[]) => cloud.succeed("up", "--yes", "--skip-preview", ...args);
const destroy = () => cloud.succeed("destroy", "--yes", "--skip-preview");

test.each([
  ["chaining", "eks-chaining", {}],
  ["overlay", "eks-overlay", { vpcCidr: "10.50.0.0/16", podCidr: "10.20.0.0/16" }],
])(
  "EKS in mode %s: the chart gets the values as they were reviewed, before the nodes",
  async (mode, golden, cluster) => {
    cloud.configure("eks", {
      "aws:region": "us-east-1",
      "sansproxy:eks": { mode, ...cluster },
      "sansproxy:datapath": { engine: "cilium", chartSource },
    });
    await up();
    const { account } = cloud;
    const { values, created } = await recordedBy(clientOf(folderOf(account, "eks-eks")));
    expect(values).toEqual(goldenValues(golden));
    expect(created.getTime()).toBeLessThanOrEqual(started(account, "create", eksTokens.nodeGroup));
    await up("--expect-no-changes");
    await destroy();
    expect(account.list()).toEqual([]);
  },
);

test("GKE self-managed: the chart and the DaemonSet that takes kube-proxy away come before the nodes", async () => {
  cloud.configure("gke", {
    "gcp:project": "trial-project",
    "sansproxy:gke": { location: "europe-west1", mode: "self-managed", podCidr: "10.4.0.0/14" },
    "sansproxy:datapath": { engine: "cilium", chartSource },
  });
  await up();
  const { account } = cloud;
  const client = clientOf(folderOf(account, "gke-gke"));
  const { values, created } = await recordedBy(client);
  expect(values).toEqual(goldenValues("gke-self-managed"));
  const nodes = started(account, "create", "gcp:container/nodePool:NodePool");
  expect(created.getTime()).toBeLessThanOrEqual(nodes);
  const path = "/apis/apps/v1/namespaces/kube-system/daemonsets/sansproxy-node-init";
  const { body } = await client.require([200], "GET", path);
  expect(Date.parse(body.metadata.creationTimestamp)).toBeLessThanOrEqual(nodes);
  await up("--expect-no-changes");
  await loadBalancerService(account, client, "web");
  await destroy();
  expect(account.list()).toEqual([]);
});
