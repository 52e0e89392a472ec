// SPDX-License-Identifier: Apache-2.0
// The simulated EKS under the real engine: order, hangs, failures and leftovers behave as AWS' own do.
import { afterEach, beforeEach, expect, test } from "vitest";
import { clientOf, folderOf } from "../plugins/clouds/clusters/cluster.ts";
import { arm } from "../plugins/clouds/faults.ts";
import { type CloudStack, createCloudStack } from "./fixtures/cloud-stack.ts";
import { eksProgram } from "./fixtures/eks-program.ts";

let cloud: CloudStack;

beforeEach(async () => {
  cloud = await createCloudStack();
  await cloud.succeed("config", "set", "aws:region", "us-east-1");
});
afterEach(() => cloud[Symbol.asyncDispose]());

test("a cluster with nodes is made in order, upgraded, and leaves nothing behind, also what a Service and a CNI have made", async () => {
  cloud.stack.write(eksProgram());
  const preview = await cloud.succeed("preview");
  for (const type of ["aws:ec2:Vpc", "aws:eks:Cluster", "aws:eks:NodeGroup"]) expect(preview).toContain(type);
  expect(cloud.account.list()).toEqual([]);

  expect(await cloud.succeed("up", "--yes")).toContain('nodeGroup: "ACTIVE"');
  const done = cloud.account.journal().filter(({ call, result }) => call === "create" && result === "done");
  const order = (type: string): number => done.findIndex((entry) => entry.type === type);
  expect(order("aws:eks/cluster:Cluster")).toBeLessThan(order("aws:eks/addon:Addon"));
  expect(order("aws:eks/addon:Addon")).toBeLessThan(order("aws:eks/nodeGroup:NodeGroup"));

  cloud.stack.write(eksProgram({ version: "1.33" }));
  expect(await cloud.fail("up", "--yes", "--skip-preview")).toContain("a cluster is not downgraded");
  cloud.stack.write(eksProgram({ version: "1.36" }));
  expect(await cloud.succeed("up", "--yes", "--skip-preview")).toContain("1 updated");

  const client = clientOf(folderOf(cloud.account, "eks-main"));
  const service = {
    metadata: { name: "web" },
    spec: { type: "LoadBalancer", ports: [{ port: 80 }], allocateLoadBalancerNodePorts: false },
  };
  await client.require([201], "POST", "/api/v1/namespaces/default/services", service);
  const interfaces = (): string[] =>
    cloud.account.list("aws:ec2/networkInterface:NetworkInterface").map(({ name }) => name);
  await expect.poll(interfaces, { timeout: 60_000 }).toContain("default/web");

  expect(await cloud.fail("destroy", "--yes", "--skip-preview")).toContain("DependencyViolation");
  expect(interfaces()).toEqual(["default/web", "default/web"]);
  for (const { type, id, name } of cloud.account.list()) if (name === "default/web") cloud.account.remove(type, id);
  await cloud.succeed("destroy", "--yes", "--skip-preview");
  expect(cloud.account.list()).toEqual([]);
  expect(cloud.account.clusters()).toEqual([]);
});

test("nodes that get no network hang for 35 simulated minutes, fail as a whole, and are made anew when it is there", async () => {
  cloud.stack.write(eksProgram({ network: "", dependsOn: "" }));
  const { minuteMs } = cloud.account.settings;
  const failed = await cloud.fail("up", "--yes", "--skip-preview");
  expect(failed).toContain("NodeCreationFailure: Unhealthy nodes in the kubernetes cluster");
  const [started, ended] = cloud.account
    .journal()
    .filter(({ type, call }) => type.endsWith("NodeGroup") && call === "create");
  expect(Date.parse(ended?.at ?? "") - Date.parse(started?.at ?? "")).toBeGreaterThan(35 * minuteMs);

  cloud.stack.write(eksProgram());
  arm(cloud.account, {
    call: "create",
    type: "aws:eks/addon:Addon",
    kind: "error",
    error: "InternalFailure: try again",
  });
  expect(await cloud.fail("up", "--yes", "--skip-preview")).toContain("InternalFailure: try again");
  const again = await cloud.succeed("up", "--yes", "--skip-preview");
  expect(again).toMatch(/workers.*replaced|1 replaced/);
  expect(again).toContain('"ACTIVE"');
  await cloud.succeed("destroy", "--yes", "--skip-preview");
  expect(cloud.account.list()).toEqual([]);
});
