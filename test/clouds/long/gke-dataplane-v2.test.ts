// SPDX-License-Identifier: Apache-2.0
// The whole life of the stack gke as it is by default, with Google's own datapath, on a simulated Google Cloud with hollow nodes.
import { afterEach, beforeEach, expect, test } from "vitest";
import { clientOf, folderOf, readyNodeNames } from "../../plugins/clouds/clusters/cluster.ts";
import { arm } from "../../plugins/clouds/faults.ts";
import { clusterToken } from "../../plugins/gcp/clusters.ts";
import { type CloudStack, createCloudStack } from "../fixtures/cloud-stack.ts";
import { loadBalancerService } from "../fixtures/load-balancer.ts";

const pool = "gcp:container/nodePool:NodePool";

let cloud: CloudStack;
beforeEach(async () => {
  cloud = await createCloudStack();
});
afterEach(() => cloud[Symbol.asyncDispose]());

const up = (...args: string[]) => cloud.succeed("up", "--yes", "--skip-preview", ...args);
const gke = (kubernetesVersion: string) =>
  cloud.configure("gke", {
    "gcp:project": "trial-project",
    "sansproxy:gke": { location: "europe-west1-b", kubernetesVersion },
    "sansproxy:gkeNodePools": [{ name: "default", desiredSize: 1 }],
  });

test("GKE in mode dataplane-v2: failed half-way, gone on with, unchanged, upgraded, and destroyed with a load balancer left over", async () => {
  const { account } = cloud;
  gke("1.35");
  const error = "googleapi: Error 503: try again, backendError";
  arm(account, { call: "create", type: pool, kind: "error", error });
  expect(await cloud.fail("up", "--yes", "--skip-preview")).toContain("Error 503: try again");
  expect(account.list(pool)).toEqual([]);

  await up();
  const [cluster] = account.list(clusterToken);
  expect(cluster?.inputs).toMatchObject({ datapathProvider: "ADVANCED_DATAPATH" });
  const directory = folderOf(account, "gke-gke");
  expect(await readyNodeNames(directory)).toEqual(["gke-default-1"]);
  // Nobody would take a taint away.
  expect(account.list(pool)[0]?.inputs).not.toHaveProperty("nodeConfig.taints");
  await up("--expect-no-changes");

  gke("1.36");
  const upgraded = await up();
  // Only the proof is made anew.
  const anew = [...upgraded.matchAll(/(\S+) (?:replaced|deleted) \(/g)].map(([, name]) => name);
  expect(new Set(anew)).toEqual(new Set(["gke-verification-run"]));
  // The nodes follow when Google's channel lets them.
  expect(account.list(clusterToken)[0]?.inputs).toMatchObject({ minMasterVersion: "1.36" });
  expect(account.list(pool)).toHaveLength(1);

  await loadBalancerService(account, clientOf(directory), "shop");
  await cloud.succeed("destroy", "--yes", "--skip-preview");
  expect(account.list()).toEqual([]);
  expect(account.clusters()).toEqual([]);
});
