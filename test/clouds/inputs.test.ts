// SPDX-License-Identifier: Apache-2.0
// Wrong inputs of cloud resources are refused with a path and a reason, as the clouds themselves refuse them.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Account, accountVariable } from "../plugins/clouds/account.ts";
import { arm, armed } from "../plugins/clouds/faults.ts";
import type { Plugin } from "../plugins/fixtures/plugin.ts";
import { configure, type ProviderClient, Resource, startProvider } from "../plugins/fixtures/resources.ts";
import { type Dict, unknown } from "../plugins/values.ts";

let directory: string;
let account: Account;
let aws: Plugin<ProviderClient>;
let gcp: Plugin<ProviderClient>;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "sansproxy-cloud-"));
  account = Account.make(directory, { minuteMs: 5, clusters: "api-server" });
  [aws, gcp] = await Promise.all([
    startProvider("aws", { [accountVariable]: directory }),
    startProvider("gcp", { [accountVariable]: directory }),
  ]);
  await configure(aws, { region: "us-east-1" });
  await configure(gcp, { project: "trial", region: "europe-west1" });
});
afterAll(async () => {
  await aws[Symbol.asyncDispose]();
  await gcp[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

const nodeGroup = {
  clusterName: "main",
  nodeRoleArn: "arn:aws:iam::123456789012:role/nodes",
  subnetIds: ["subnet-1"],
  scalingConfig: { minSize: 1, desiredSize: 1, maxSize: 1 },
};
const cluster = { location: "europe-west1", initialNodeCount: 1, removeDefaultNodePool: true };
const taint = (effect: string): Dict => ({ key: "node.cilium.io/agent-not-ready", value: "true", effect });

const wrong: [string, string, Dict, string][] = [
  [
    "a misspelled property",
    "aws:eks/nodeGroup:NodeGroup",
    { ...nodeGroup, scalingconfig: {} },
    "scalingconfig is not an input",
  ],
  [
    "a misspelled property inside another",
    "aws:eks/nodeGroup:NodeGroup",
    { ...nodeGroup, scalingConfig: { minSize: 1, desiredSize: 1, maxSize: 1, maxsize: 1 } },
    "scalingConfig.maxsize is not an input",
  ],
  [
    "a missing property",
    "aws:eks/nodeGroup:NodeGroup",
    { ...nodeGroup, scalingConfig: { minSize: 1, desiredSize: 1 } },
    "scalingConfig.maxSize is required",
  ],
  [
    "a number as text",
    "aws:eks/nodeGroup:NodeGroup",
    { ...nodeGroup, scalingConfig: { minSize: "1", desiredSize: 1, maxSize: 1 } },
    "scalingConfig.minSize must be a number",
  ],
  [
    "a taint in Kubernetes' spelling",
    "aws:eks/nodeGroup:NodeGroup",
    { ...nodeGroup, taints: [taint("NoExecute")] },
    "Kubernetes' NoExecute is NO_EXECUTE in this API",
  ],
  [
    "sizes that contradict one another",
    "aws:eks/nodeGroup:NodeGroup",
    { ...nodeGroup, scalingConfig: { minSize: 3, desiredSize: 2, maxSize: 4 } },
    "desiredSize 2 has to lie between",
  ],
  [
    "two ways to say what may be unavailable",
    "aws:eks/nodeGroup:NodeGroup",
    { ...nodeGroup, updateConfig: { maxUnavailable: 1, maxUnavailablePercentage: 10 } },
    "not both",
  ],
  [
    "a version that EKS does not offer",
    "aws:eks/cluster:Cluster",
    { roleArn: "r", version: "1.12", vpcConfig: { subnetIds: [] } },
    '"1.12" is not one of',
  ],
  [
    "a cluster that nobody can reach",
    "aws:eks/cluster:Cluster",
    { roleArn: "r", vpcConfig: { subnetIds: [], endpointPublicAccess: false, endpointPrivateAccess: false } },
    "cannot both be disabled",
  ],
  [
    "an add-on that does not exist",
    "aws:eks/addon:Addon",
    { clusterName: "main", addonName: "kubeproxy" },
    '"kubeproxy" is not one of',
  ],
  [
    "add-on values that are not JSON",
    "aws:eks/addon:Addon",
    { clusterName: "main", addonName: "vpc-cni", configurationValues: "{" },
    "is not JSON",
  ],
  [
    "a managed policy that AWS does not have",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    { role: "nodes", policyArn: "arn:aws:iam::aws:policy/AmazonEKSWorkersPolicy" },
    "does not exist",
  ],
  [
    "a policy without a principal",
    "aws:iam/role:Role",
    { assumeRolePolicy: '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole"}]}' },
    "no Principal",
  ],
  ["a VPC without a range", "aws:ec2/vpc:Vpc", { cidrBlock: "10.0.0.0" }, "must be an IPv4 range"],
  [
    "a GKE taint in Kubernetes' spelling",
    "gcp:container/nodePool:NodePool",
    { cluster: "main", nodeConfig: { taints: [taint("NoSchedule")] } },
    "Kubernetes' NoSchedule is NO_SCHEDULE in this API",
  ],
  [
    "a datapath that GKE does not know",
    "gcp:container/cluster:Cluster",
    { ...cluster, datapathProvider: "DATAPLANE_V2" },
    '"DATAPLANE_V2" is not one of',
  ],
  [
    "Calico beside Dataplane V2",
    "gcp:container/cluster:Cluster",
    { ...cluster, datapathProvider: "ADVANCED_DATAPATH", networkPolicy: { enabled: true } },
    "cannot be enabled with Dataplane V2",
  ],
  [
    "a range by name and by value",
    "gcp:container/cluster:Cluster",
    { ...cluster, ipAllocationPolicy: { clusterSecondaryRangeName: "pods", clusterIpv4CidrBlock: "10.4.0.0/14" } },
    "conflicts with ipAllocationPolicy.clusterIpv4CidrBlock",
  ],
  [
    "a pool of its own for Autopilot",
    "gcp:container/cluster:Cluster",
    { location: "x", enableAutopilot: true, removeDefaultNodePool: true },
    "conflicts with enableAutopilot",
  ],
  [
    "a cluster with no node to begin with",
    "gcp:container/cluster:Cluster",
    { location: "x", removeDefaultNodePool: true },
    "has to be 1 or more",
  ],
  [
    "a name that Google does not take",
    "gcp:compute/network:Network",
    { name: "My Network", autoCreateSubnetworks: false },
    '"My Network" has to match',
  ],
  [
    "secondary ranges that overlap",
    "gcp:compute/subnetwork:Subnetwork",
    {
      network: "n",
      region: "r",
      ipCidrRange: "10.0.0.0/20",
      secondaryIpRanges: [{ rangeName: "pods", ipCidrRange: "10.0.8.0/22" }],
    },
    "overlaps 10.0.0.0/20",
  ],
];

describe("refused before anything is made:", () => {
  test.each(wrong)("%s", async (_what, type, inputs, reason) => {
    const resource = new Resource(type.startsWith("aws:") ? aws : gcp, type);
    const { failures } = await resource.check(inputs);
    expect(failures).toHaveLength(1);
    expect(failures[0]).toContain(reason);
  });
});

test("an unknown value is neither missing nor wrong", async () => {
  const { failures } = await new Resource(aws, "aws:eks/nodeGroup:NodeGroup").check({
    ...nodeGroup,
    nodeRoleArn: unknown,
    version: unknown,
    taints: [{ key: unknown, effect: unknown }],
  });
  expect(failures).toEqual([]);
});

test("a subnet outside of its VPC, over another one, and in no VPC is refused", async () => {
  const vpc = await new Resource(aws, "aws:ec2/vpc:Vpc", "vpc").create({ cidrBlock: "10.20.0.0/16" });
  const subnet = (name: string): Resource => new Resource(aws, "aws:ec2/subnet:Subnet", name);
  await expect(subnet("out").create({ vpcId: vpc.id, cidrBlock: "10.30.0.0/20" })).rejects.toThrow(
    "InvalidSubnet.Range",
  );
  const made = await subnet("one").create({ vpcId: vpc.id, cidrBlock: "10.20.0.0/20" });
  await expect(subnet("two").create({ vpcId: vpc.id, cidrBlock: "10.20.8.0/24" })).rejects.toThrow(
    "InvalidSubnet.Conflict",
  );
  await expect(subnet("none").create({ vpcId: "vpc-0", cidrBlock: "10.20.16.0/20" })).rejects.toThrow(
    "InvalidVpcID.NotFound",
  );
  await expect(new Resource(aws, "aws:ec2/vpc:Vpc", "vpc").delete(vpc)).rejects.toThrow(
    `has dependencies and cannot be deleted: ${made.id}`,
  );
  await subnet("one").delete(made);
  await new Resource(aws, "aws:ec2/vpc:Vpc", "vpc").delete(vpc);
  expect(account.list()).toEqual([]);
});

test("an immutable property replaces, another one updates", async () => {
  const network = new Resource(gcp, "gcp:compute/network:Network", "network");
  const made = await network.create({ name: "one", autoCreateSubnetworks: false });
  expect(await network.diff(made, { name: "two", autoCreateSubnetworks: false })).toEqual({
    paths: ["name"],
    replaces: ["name"],
  });
  const more = { name: "one", autoCreateSubnetworks: false, routingMode: "GLOBAL" };
  expect(await network.diff(made, more)).toEqual({ paths: ["routingMode"], replaces: [] });
  await network.delete(made);
});

test("a throttled call is made again, until the provider gives up", async () => {
  const role = new Resource(aws, "aws:ec2/vpc:Vpc", "busy");
  const throttle = {
    call: "create",
    type: "aws:ec2/vpc:Vpc",
    kind: "throttle",
    error: "ThrottlingException: Rate exceeded",
  } as const;
  arm(account, throttle, 2);
  const made = await role.create({ cidrBlock: "10.21.0.0/16" });
  expect(armed(account)).toBe(0);
  expect(
    account.journal().filter(({ name, result }) => name === "busy" && result.startsWith("Throttling")),
  ).toHaveLength(2);
  await role.delete(made);
  arm(account, throttle, 5);
  await expect(role.create({ cidrBlock: "10.21.0.0/16" })).rejects.toThrow("Rate exceeded");
  expect(account.list()).toEqual([]);
});

test("what was deleted behind Pulumi's back is missed by a refresh, and its deletion is no error", async () => {
  const vpc = new Resource(aws, "aws:ec2/vpc:Vpc", "lost");
  const made = await vpc.create({ cidrBlock: "10.22.0.0/16" });
  expect((await vpc.read(made)).id).toBe(made.id);
  account.remove("aws:ec2/vpc:Vpc", made.id);
  expect((await vpc.read(made)).id).toBe("");
  await vpc.delete(made);
});

test("without a simulated account it says that it is no cloud", async () => {
  const lost = await startProvider("aws", { [accountVariable]: "" });
  try {
    await expect(configure(lost, { region: "us-east-1" })).rejects.toThrow("this is a simulated cloud");
  } finally {
    await lost[Symbol.asyncDispose]();
  }
});
