// SPDX-License-Identifier: Apache-2.0
// The stack gke in another region, to which no cluster of Google can move.
import { join } from "node:path";
import { afterEach, beforeEach, test } from "vitest";
import { clusterToken } from "../../plugins/gcp/clusters.ts";
import { copyChart } from "../fixtures/cilium-chart.ts";
import { type CloudStack, createCloudStack } from "../fixtures/cloud-stack.ts";
import { replaceCluster } from "../fixtures/replacement.ts";

let cloud: CloudStack;
let chartSource: string;
beforeEach(async () => {
  cloud = await createCloudStack();
  chartSource = copyChart(join(cloud.stack.directory, "chart"));
});
afterEach(() => cloud[Symbol.asyncDispose]());

const gke = (location: string) =>
  cloud.configure("gke", {
    "gcp:project": "trial-project",
    "sansproxy:gke": { location, mode: "self-managed" },
    "sansproxy:datapath": { engine: "cilium", chartSource },
  });

test("a replaced cluster of GKE gets datapath and node-init of its own, and the old one leaves no load balancer", async () => {
  await replaceCluster(cloud, {
    before: () => gke("europe-west1"),
    after: () => gke("europe-west3"),
    ...{ type: clusterToken, folder: "gke-gke", inside: ["gke-datapath-release", "gke-node-init"] },
  });
});
