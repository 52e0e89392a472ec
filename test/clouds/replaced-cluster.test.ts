// SPDX-License-Identifier: Apache-2.0
// The stack eks with other Service addresses, which no cluster of AWS can change.
import { join } from "node:path";
import { afterEach, beforeEach, test } from "vitest";
import { tokens } from "../plugins/aws/clusters.ts";
import { copyChart } from "./fixtures/cilium-chart.ts";
import { type CloudStack, createCloudStack } from "./fixtures/cloud-stack.ts";
import { replaceCluster } from "./fixtures/replacement.ts";

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

test("a replaced cluster of EKS gets a datapath of its own, and the old one leaves no load balancer", async () => {
  await replaceCluster(cloud, {
    before: () => eks("172.20.0.0/16"),
    after: () => eks("172.21.0.0/16"),
    ...{ type: tokens.cluster, folder: "eks-eks", inside: ["eks-datapath-release"] },
  });
});
