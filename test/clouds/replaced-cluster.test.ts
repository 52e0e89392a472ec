// SPDX-License-Identifier: Apache-2.0
// The stack eks with other Service addresses, which no cluster of AWS can change.
import { test } from "vitest";
import { tokens } from "../plugins/aws/clusters.ts";
import { replaceCluster } from "./fixtures/replacement.ts";

const eks = (serviceCidr: string) => ({
  "aws:region": "us-east-1",
  "sansproxy:eks": { mode: "overlay", serviceCidr },
});

test("a replaced cluster of EKS gets a datapath of its own, and the old one leaves no load balancer", async () => {
  await replaceCluster({
    stack: "eks",
    ...{ before: eks("172.20.0.0/16"), after: eks("172.21.0.0/16") },
    ...{ type: tokens.cluster, folder: "eks-eks", inside: ["eks-datapath-release"] },
  });
});
