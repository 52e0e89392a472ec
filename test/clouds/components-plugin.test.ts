// SPDX-License-Identifier: Apache-2.0
// The clouds' components as a plugin, the way other languages use them: previewed on empty simulated accounts.
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type CloudStack, createCloudStack, repository } from "./fixtures/cloud-stack.ts";

let cloud: CloudStack;
beforeEach(async () => {
  cloud = await createCloudStack();
  await cloud.succeed("config", "set", "aws:region", "us-east-1");
  await cloud.succeed("config", "set", "gcp:project", "my-project");
  appendFileSync(
    join(cloud.stack.directory, "project/Pulumi.yaml"),
    `plugins:\n  providers:\n    - name: sansproxy\n      path: ${join(repository, "components/plugin")}\n`,
  );
});
afterEach(() => cloud[Symbol.asyncDispose]());

/** As a generated SDK does: remote components, known by their type alone. */
const remote = `
import * as pulumi from "@pulumi/pulumi";
const open = (...names: string[]) => Object.fromEntries(names.map((name) => [name, undefined]));
const remote = (type: string, name: string, args: object, outputs: object = {}) =>
  new pulumi.ComponentResource("sansproxy:index:" + type, name, { ...outputs, ...args }, {}, true) as any;
`;

test("both clouds' clusters are made by the plugin, with the nodes that follow when the cluster is known", async () => {
  cloud.stack.write(`${remote}
const eks = remote("EksCluster", "eks", { mode: "overlay" }, open("cluster", "clusterName", "nodeRoleArn", "nodeSubnetIds"));
const datapath = remote("Datapath", "datapath", { cluster: eks.cluster, engine: "cilium" }, open("releaseName"));
const nodes = remote("EksNodeGroups", "eks-nodes", {
  cluster: eks.cluster, clusterName: eks.clusterName, nodeRoleArn: eks.nodeRoleArn, subnetIds: eks.nodeSubnetIds,
  datapath: datapath.releaseName, groups: [{ name: "default" }],
}, open("cluster"));
remote("LoadBalancerRelease", "release", { cluster: nodes.cluster });
const gke = remote("GkeCluster", "gke", { location: "europe-west3" }, open("cluster", "clusterName", "location"));
remote("GkeNodePools", "gke-nodes", {
  cluster: gke.cluster, clusterName: gke.clusterName, location: gke.location, pools: [{ name: "default" }],
});
const capabilities = { podCidrPerNode: true, nativeRouting: false, ownsCni: true, fixedDatapath: true, mode: "dataplane-v2" };
remote("GkeNodePools", "known", {
  cluster: {
    name: "other", platform: "gke", kubernetesVersion: "v1.35", kubeconfig: "apiVersion: v1", apiServerHost: "192.0.2.11",
    apiServerPort: 443, podCidrs: ["10.32.0.0/14"], serviceCidrs: ["10.36.0.0/20"], nodes: [], capabilities,
  },
  clusterName: "other", location: "europe-west3", pools: [{ name: "default", desiredSize: 2 }],
});
`);
  const output = await cloud.succeed("preview", "--json");
  const { steps } = JSON.parse(output.slice(output.search(/^\{/m))) as {
    steps: { urn: string; newState: { inputs?: Record<string, unknown> } }[];
  };
  const of = (name: string) => steps.find(({ urn }) => urn.endsWith(`::${name}`))?.newState;
  const control = steps.find(({ urn }) => urn.split("::")[2]?.endsWith("$aws:eks/cluster:Cluster"))?.newState;
  expect(control?.inputs).toMatchObject({ bootstrapSelfManagedAddons: false });
  expect(of("gke-cluster")?.inputs).toMatchObject({ datapathProvider: "ADVANCED_DATAPATH" });
  for (const name of ["datapath", "eks-nodes", "release", "gke-nodes"]) expect(of(name), name).toBeDefined();
  expect(output).toContain("planned when its cluster is known");
  // What is given as plain values is planned at once.
  expect(of("known-default")?.inputs).toMatchObject({ cluster: "other", initialNodeCount: 2 });
  expect(cloud.account.list()).toEqual([]);
});

test("a wrong input is told by the plugin before anything is made, with its remedy", async () => {
  cloud.stack.write(`${remote}\nremote("EksCluster", "eks", { mode: "eny" });\n`);
  const output = await cloud.fail("preview");
  expect(output).toMatch(/EksCluster "eks" has a wrong input:\s+mode: is "eny"/);
  expect(cloud.account.list()).toEqual([]);
});
