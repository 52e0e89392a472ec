// SPDX-License-Identifier: Apache-2.0
// The stack eks in mode agent on a simulated AWS whose cluster is real machines: Services are served, and the proof passes.
import { afterAll, beforeAll, expect, test } from "vitest";
import { tokens } from "../plugins/aws/clusters.ts";
import { tokens as network } from "../plugins/aws/network.ts";
import { clientOf, folderOf } from "../plugins/clouds/clusters/cluster.ts";
import { finished, started } from "./fixtures/journal.ts";
import { loadBalancerService } from "./fixtures/load-balancer.ts";
import { createMachineCloud, type MachineCloud, networks } from "./fixtures/machine-cloud.ts";
import { provedChecks } from "./fixtures/proof.ts";

let cloud: MachineCloud;
beforeAll(async () => {
  cloud = await createMachineCloud();
  cloud.configure("eks", {
    "aws:region": "us-east-1",
    "sansproxy:eks": { mode: "agent", vpcCidr: networks.vpcCidr },
    "sansproxy:eksNodeGroups": [{ name: "default", desiredSize: 1 }],
    "sansproxy:datapath": { image: { tag: cloud.agentTag } },
  });
});
afterAll(() => cloud?.[Symbol.asyncDispose]());

test("one update makes a cluster whose nodes are served by the agent from their first Pod on, and proves it", async () => {
  await cloud.succeed("up", "--yes", "--skip-preview");
  const { account } = cloud;
  expect(await cloud.names()).toEqual(["cp-eks-eks", "default-1"]);
  const checks = await provedChecks(cloud);
  expect(checks.get("default-1")).toEqual(
    expect.arrayContaining(["ClusterIP TCP from pod", "NodePort UDP from host", "DNS from pod", "agent in step"]),
  );
  // The node is the cluster's only one: a cloud's control plane is none.
  expect([...checks.keys()].sort()).toEqual(["*", "default-1"]);
  const release = "/apis/apps/v1/namespaces/kube-system/daemonsets/sansproxy";
  const { body } = await clientOf(folderOf(account, "eks-eks")).require([200], "GET", release);
  expect(Date.parse(body.metadata.creationTimestamp)).toBeLessThanOrEqual(started(account, "create", tokens.nodeGroup));
  expect(finished(account, "create", tokens.nodeGroup)).toBeLessThan(
    finished(account, "create", tokens.addon, "coredns"),
  );
});

test("a second update changes nothing", async () => {
  await cloud.succeed("up", "--yes", "--skip-preview", "--expect-no-changes");
});

test("destroy leaves nothing: no load balancer, no interface, no machine", async () => {
  const { account } = cloud;
  await loadBalancerService(account, clientOf(folderOf(account, "eks-eks")), "web");
  const subnetId = account.list(network.subnet)[0]?.id ?? "";
  const left = { subnetId, description: "aws-K8S-i-0123", status: "available" };
  account.put({ type: network.interface, id: "eni-left", name: "left", inputs: left, outputs: left });
  await cloud.succeed("destroy", "--yes", "--skip-preview");
  expect(account.list()).toEqual([]);
  expect(account.clusters()).toEqual([]);
  expect(await cloud.names()).toEqual([]);
});
