// SPDX-License-Identifier: Apache-2.0
// Nodes that a program makes before the datapath hang until the cloud gives up: the reason for the order that the stacks have.
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { tokens } from "../plugins/aws/clusters.ts";
import { copyChart } from "./fixtures/cilium-chart.ts";
import { type CloudStack, createCloudStack, repository } from "./fixtures/cloud-stack.ts";
import { started } from "./fixtures/journal.ts";

let cloud: CloudStack;
beforeEach(async () => {
  cloud = await createCloudStack({ minuteMs: 100 });
  await cloud.succeed("config", "set", "aws:region", "us-east-1");
});
afterEach(() => cloud[Symbol.asyncDispose]());

/** The stack's parts, but the datapath waits for the nodes, and not the nodes for the datapath. */
const program = (): string => `
import { Datapath } from ${JSON.stringify(join(repository, "components/index.ts"))};
import { EksCluster, EksNodeGroups } from ${JSON.stringify(join(repository, "components/eks.ts"))};
const control = new EksCluster("eks", { mode: "overlay" });
const nodes = new EksNodeGroups("nodes", {
  cluster: control.cluster, clusterName: control.clusterName, nodeRoleArn: control.nodeRoleArn, subnetIds: control.nodeSubnetIds,
  datapath: "written by hand", groups: [{ name: "default" }],
});
new Datapath("datapath", {
  cluster: control.cluster, engine: "cilium", chartSource: ${JSON.stringify(copyChart(join(cloud.stack.directory, "chart")))},
}, { dependsOn: [nodes], deletedWith: control });
`;

test("a node group without a CNI plugin is given up after 35 minutes, and nothing after it is made", async () => {
  const { account } = cloud;
  cloud.stack.write(program());
  const said = await cloud.fail("up", "--yes", "--skip-preview");
  expect(said).toContain("NodeCreationFailure: Unhealthy nodes in the kubernetes cluster (after 35 minutes)");
  const failed = account.journal().find(({ type, result }) => type === tokens.nodeGroup && /NodeCreation/.test(result));
  const hung = Date.parse(failed?.at ?? "") - started(account, "create", tokens.nodeGroup);
  expect(hung).toBeGreaterThanOrEqual(35 * account.settings.minuteMs);
  // Neither DNS nor the datapath, which could have ended the waiting.
  expect(said).not.toMatch(/helm.sh\/v3:Release|nodes-coredns/);
});
