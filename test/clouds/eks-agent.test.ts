// SPDX-License-Identifier: Apache-2.0
// Our own datapath on a simulated EKS of real machines: the update ends only when Services were seen to work on every node.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { clientOf, folderOf } from "../plugins/clouds/clusters/cluster.ts";
import { type CloudStack, createCloudStack, repository } from "./fixtures/cloud-stack.ts";
import { eksProgram, vpcCni } from "./fixtures/eks-program.ts";

const bundle = join(repository, ".sansproxy/bundle");

/** The tag of the agent's image, which names its content. */
const agentTag = (): string => {
  if (!existsSync(bundle)) throw new Error(`${bundle} is missing: npm run toolchain makes it`);
  const manifest = readFileSync(join(bundle, "manifest.json"), "utf8");
  const tag = /ghcr\.io\/sansproxy\/agent:([^"]+)"/.exec(manifest)?.[1];
  if (tag === undefined) throw new Error(`${bundle} holds no image of the agent`);
  return tag;
};

let cloud: CloudStack;

beforeEach(async () => {
  // Machines need real minutes: a simulated one is 20 seconds, so that 35 of them are no limit to a busy box.
  const machines = { stack: "clouds", bridge: "sansproxyc", subnet: "10.89.8.0/24", bundle };
  cloud = await createCloudStack({ minuteMs: 20_000, clusters: "machines", machines });
  await cloud.succeed("config", "set", "aws:region", "us-east-1");
});
afterEach(() => cloud[Symbol.asyncDispose]());

/** The datapath between the control plane and its nodes, and the proof after them. */
const network = `${vpcCni}
const facts = {
  name: "main", platform: "eks", kubernetesVersion: "v1.36.3", kubeconfig: cluster.kubeconfigJson,
  apiServerHost: cluster.core.endpoint.apply((url) => new URL(url).hostname), apiServerPort: 443,
  podCidrs: ["10.20.0.0/16"], serviceCidrs: ["172.20.0.0/16"],
  capabilities: { podCidrPerNode: false, nativeRouting: false, ownsCni: true },
};
const datapath = new Datapath("datapath", { cluster: { ...facts, nodes: [] }, engine: "agent", image: { tag: ${JSON.stringify("TAG")} } },
  { dependsOn: cni });
`;
const proof = `
const joined = nodes.status.apply(() => [1, 2].map((index) => ({ name: \`workers-\${index}\`, address: "", role: "worker" })));
const dns = new aws.eks.Addon("dns", { clusterName, addonName: "coredns" }, { dependsOn: nodes });
const verification = new Verification("verification", {
  cluster: { ...facts, nodes: joined }, effectiveValues: datapath.effectiveValues,
}, { dependsOn: [datapath, dns] });
export const table = verification.table;
`;

test("nodes join, Services are served without kube-proxy, and the verification says so", async () => {
  const components = `import { Datapath, Verification } from ${JSON.stringify(join(repository, "components/index.ts"))};\n`;
  const program = eksProgram({ network: network.replace("TAG", agentTag()), dependsOn: "cni, datapath" });
  cloud.stack.write(`${components}${program}${proof}`);
  const made = await cloud.succeed("up", "--yes", "--skip-preview");
  expect(made).toContain('nodeGroup: "ACTIVE"');
  const client = clientOf(folderOf(cloud.account, "eks-main"));
  const { body: nodes } = await client.require([200], "GET", "/api/v1/nodes");
  expect(nodes.items.map((node: { metadata: { name: string } }) => node.metadata.name)).toEqual([
    "workers-1",
    "workers-2",
  ]);
  expect((await client.send("GET", "/apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy")).status).toBe(404);
  await cloud.succeed("destroy", "--yes", "--skip-preview");
  expect(cloud.account.list()).toEqual([]);
});
