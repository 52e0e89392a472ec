// SPDX-License-Identifier: Apache-2.0
import * as pulumi from "@pulumi/pulumi";
import { expect, test } from "vitest";
import type { KubernetesCluster } from "../../../components/index.ts";
import { clusterInput } from "../../../components/plugin/cluster-input.ts";

const known = {
  name: "cloud",
  platform: "eks",
  kubernetesVersion: "v1.35.2",
  kubeconfig: "kind: Config",
  apiServerHost: "api.invalid",
  apiServerPort: 443,
  podCidrs: ["10.0.0.0/16"],
  serviceCidrs: ["172.20.0.0/16"],
  nodes: [],
  capabilities: { podCidrPerNode: false, nativeRouting: false, ownsCni: true },
};

test("what of a cluster from another language is not known yet is an output, and what is known is plain", async () => {
  for (const name of ["identifier", "nodeGroups", "apiServerHost"] as const) {
    const value = pulumi.output({ ...known, [name]: pulumi.unknown } as unknown as KubernetesCluster);
    const cluster = await clusterInput(value);
    expect(pulumi.Output.isInstance(cluster?.[name]), name).toBe(true);
    expect(cluster?.podCidrs).toEqual(known.podCidrs);
    expect(await pulumi.isSecret(cluster?.kubeconfig as pulumi.Output<string>)).toBe(true);
  }
});

test("groups of nodes that the cluster has not are not made up", async () => {
  expect(await clusterInput(pulumi.output(known as KubernetesCluster))).not.toHaveProperty("nodeGroups");
});
