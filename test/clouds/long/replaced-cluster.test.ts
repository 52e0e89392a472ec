// SPDX-License-Identifier: Apache-2.0
// The stack gke in another region, to which no cluster of Google can move.
import { test } from "vitest";
import { clusterToken } from "../../plugins/gcp/clusters.ts";
import { replaceCluster } from "../fixtures/replacement.ts";

const gke = (location: string) => ({
  "gcp:project": "trial-project",
  "sansproxy:gke": { location, mode: "self-managed" },
});

test("a replaced cluster of GKE gets datapath and node-init of its own, and the old one leaves no load balancer", async () => {
  await replaceCluster({
    stack: "gke",
    ...{ before: gke("europe-west1"), after: gke("europe-west3") },
    ...{ type: clusterToken, folder: "gke-gke", inside: ["gke-datapath-release", "gke-node-init"] },
  });
});
