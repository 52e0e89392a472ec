// SPDX-License-Identifier: Apache-2.0
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { EksCluster, EksNodeGroups } from "../../../components/eks.ts";
import { GkeCluster, GkeNodePools } from "../../../components/gke.ts";
import { checkEksInputs } from "../../../components/internal/eks/inputs.ts";
import { checkedDatapath } from "../../../components/internal/gke/node-pool-rules.ts";
import { clusterOn } from "../cilium/wrong/row.ts";
import { recordProgram, refusal, settled } from "../recorded-program.ts";

/** Inputs as a user of a language without our types may write them. */
type Inputs = Record<string, unknown>;
type Row = [inputs: Inputs, propertyPath: string, reason: RegExp];

const vpc = { vpcId: "vpc-0123456789abcdef0", vpcCidr: "10.50.0.0/16" };
const subnets = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"];
const admin = "arn:aws:iam::111122223333:role/admin";
const entry = (changes: Inputs): Inputs => ({ accessEntries: [{ principalArn: admin, policy: "view", ...changes }] });
const identity = (changes: Inputs): Inputs => ({
  podIdentities: [{ namespace: "default", serviceAccount: "app", roleArn: admin, ...changes }],
});
const group = (changes: Inputs): Inputs => ({ groups: [{ name: "default", ...changes }] });
const pool = (changes: Inputs): Inputs => ({ pools: [{ name: "default", ...changes }] });

const eks = { ...clusterOn("eks"), kubernetesVersion: "v1.35" };
const agentsCluster = () => ({ ...eks, capabilities: { ...eks.capabilities, mode: "agent" } });

const eksRows: Row[] = [
  [{ autoMode: true }, "autoMode", /admits no other; leave it out/],
  [{ fargate: true }, "fargate", /use node groups/],
  [{ kubernetesVersoin: "1.35" }, "kubernetesVersoin", /did you mean "kubernetesVersion"/],
  [{ mode: "eni-masquerading" }, "mode", /"eni-masquerading" at the Datapath/],
  [{ mode: "overlya" }, "mode", /did you mean "overlay"/],
  [{ clusterName: "-x" }, "clusterName", /use at most 100/],
  [{ kubernetesVersion: "1.35.2" }, "kubernetesVersion", /write it as "1.35"/],
  [{ kubernetesVersion: "1.29" }, "kubernetesVersion", /choose one of these/],
  [{ vpcCidr: "10.20.0.0" }, "vpcCidr", /CIDR notation; write/],
  [{ vpcCidr: "10.0.0.0/8" }, "vpcCidr", /prefix of \/16 to \/22/],
  [{ serviceCidr: "10.20.0.0/20" }, "serviceCidr", /overlaps vpcCidr/],
  [{ podCidr: "100.64.0.0/16" }, "podCidr", /leave it out, or choose mode "overlay"/],
  [{ mode: "overlay", podCidr: "172.20.0.0/16" }, "podCidr", /overlaps serviceCidr/],
  [{ ...vpc }, "privateSubnetIds", /name the VPC's subnets/],
  [{ vpcId: vpc.vpcId, privateSubnetIds: subnets }, "vpcCidr", /write the VPC's network/],
  [{ privateSubnetIds: subnets }, "privateSubnetIds", /give vpcId/],
  [{ ...vpc, privateSubnetIds: [subnets[0]] }, "privateSubnetIds", /add one/],
  [{ ...vpc, privateSubnetIds: [subnets[0], subnets[0]] }, "privateSubnetIds[1]", /name every subnet once/],
  [{ ...vpc, privateSubnetIds: [subnets[0], "sn-1"] }, "privateSubnetIds[1]", /write one such as/],
  [{ ...vpc, privateSubnetIds: subnets, publicSubnetIds: [subnets[0]] }, "publicSubnetIds[0]", /leave it out of one/],
  [{ ...vpc, vpcId: "10.50", privateSubnetIds: subnets }, "vpcId", /write one such as/],
  [{ ...vpc, privateSubnetIds: subnets, natGatewayPerZone: true }, "natGatewayPerZone", /leave one of the two/],
  [{ availabilityZones: ["eu-central-1a"] }, "availabilityZones", /needs two/],
  [{ availabilityZones: ["eu-central-1a", "eu-west-1a"] }, "availabilityZones[1]", /another region/],
  [{ endpointPublicAccess: false, endpointPrivateAccess: false }, "endpointPrivateAccess", /set one of the two/],
  [{ publicAccessCidrs: ["203.0.113.7"] }, "publicAccessCidrs[0]", /write one address as/],
  [
    { publicAccessCidrs: ["203.0.113.7/32"], endpointPrivateAccess: false },
    "publicAccessCidrs",
    /set endpointPrivateAccess/,
  ],
  [{ publicAccessCidrs: [] }, "publicAccessCidrs", /everywhere; name networks/],
  [entry({ principalArn: "admin" }), "accessEntries[0].principalArn", /write its ARN/],
  [entry({ policy: "cluster-admni" }), "accessEntries[0].policy", /did you mean "cluster-admin"/],
  [entry({ policy: "cluster-admin", namespaces: ["a"] }), "accessEntries[0].namespaces", /use policy "admin"/],
  [entry({ policy: undefined }), "accessEntries[0]", /give policy or kubernetesGroups/],
  [
    entry({ kubernetesGroups: ["system:masters"] }),
    "accessEntries[0].kubernetesGroups[0]",
    /use policy "cluster-admin"/,
  ],
  [identity({ roleArn: "app" }), "podIdentities[0].roleArn", /write its ARN/],
  [identity({ namespace: "Default" }), "podIdentities[0].namespace", /write one such as/],
  [identity({ namespace: "kube-system", serviceAccount: "cilium-operator" }), "podIdentities[0]", /leave it out/],
  [{ logTypes: ["audti"] }, "logTypes[0]", /did you mean "audit"/],
  [{ supportType: "LONG" }, "supportType", /use "STANDARD"/],
  [{ encryptionKeyArn: "alias/eks" }, "encryptionKeyArn", /alias will not do/],
  [{ tags: { "aws:x": "y" } }, 'tags["aws:x"]', /choose another key/],
  [{ vpcCniVersion: "v1.20.4" }, "vpcCniVersion", /leave it out/],
  [{ mode: "chaining", vpcCniVersion: "v1.11.1-eksbuild.1" }, "vpcCniVersion", /from v1\.11\.2 on; choose a newer one/],
  [{ mode: "chaining", vpcCniVersion: "v0.20.4" }, "vpcCniVersion", /choose a newer one/],
  [{ mode: "agent", vpcCniVersion: "latest" }, "vpcCniVersion", /write one as "v1\.20\.4-eksbuild\.2"/],
  [{ awsPartition: "azure" }, "awsPartition", /use "aws"/],
];
const groupRows: Row[] = [
  [{ groups: [] }, "groups", /give one group at least/],
  [{ datapath: "" }, "datapath", /give the Datapath's releaseName/],
  [group({ name: "Default" }), "groups[0].name", /lower-case/],
  [{ groups: [{ name: "a" }, { name: "a" }] }, "groups[1].name", /its own name/],
  [group({ minSize: 5, desiredSize: 2, maxSize: 4 }), "groups[0].minSize", /raise maxSize/],
  [group({ desiredSize: 9, maxSize: 4 }), "groups[0].desiredSize", /choose a number in between/],
  [group({ instanceTypes: ["m6i.large", "m7g.large"] }), "groups[0].instanceTypes", /make two groups/],
  [group({ amiType: "AL2_x86_64" }), "groups[0].amiType", /retired; use/],
  [
    { groups: [{ name: "a" }, { name: "b", taints: [{ key: "a", effect: "NO_EXECUTE" }] }] },
    "groups[1].taints[0].effect",
    /write "NoExecute"/,
  ],
  [group({ kubernetesVersion: "1.36" }), "groups[0].kubernetesVersion", /upgrade the control plane first/],
  [group({ kubernetesVersion: "1.35.2" }), "groups[0].kubernetesVersion", /not a minor version/],
  [group({ kubernetesVersion: "v1.35" }), "groups[0].kubernetesVersion", /not a minor version/],
  [{ notReadyTaintKey: "not ready" }, "notReadyTaintKey", /not a taint's key; write/],
  [{ notReadyTaintKey: "" }, "notReadyTaintKey", /not a taint's key; write/],
  [{ cluster: agentsCluster(), notReadyTaintKey: "a" }, "notReadyTaintKey", /without that taint; leave it out/],
  [group({ capacityType: "spot" }), "groups[0].capacityType", /use "ON_DEMAND"/],
  [group({ diskSizeGib: 5 }), "groups[0].diskSizeGib", /20 at least/],
  [group({ labels: { "kubernetes.io/x": "y" } }), 'groups[0].labels["kubernetes.io/x"]', /prefix of your own/],
  [group({ taints: [{ key: "a", effect: "NoSchedule" }] }), "groups", /leave one group without/],
];
const gkeRows: Row[] = [
  [{ location: "Frankfurt" }, "location", /write a region/],
  [{ mode: "autopilot" }, "mode", /use "dataplane-v2"/],
  [{ mode: "self-manged" }, "mode", /did you mean "self-managed"/],
  [{ enableAutopilot: true }, "enableAutopilot", /leave it out/],
  [{ networkPolicy: {} }, "networkPolicy", /this package's agent does not: leave it out/],
  [{ clusterName: "Metal" }, "clusterName", /lower-case/],
  [{ project: "My Project" }, "project", /write its id/],
  [{ releaseChannel: "regular" }, "releaseChannel", /did you mean "REGULAR"/],
  [{ kubernetesVersion: "latest" }, "kubernetesVersion", /write it as/],
  [{ subnetwork: "a" }, "subnetwork", /give network/],
  [{ network: "a" }, "subnetwork", /missing beside network/],
  [{ podCidr: "10.30.0.0/16" }, "podCidr", /overlaps nodeCidr/],
  [{ privateEndpoint: true, privateNodes: false }, "privateEndpoint", /set privateNodes to true/],
  [{ privateEndpoint: true }, "authorizedNetworks", /name networks/],
  [{ nodeInitImage: "a:1" }, "nodeInitImage", /leave it out/],
  [{ mode: "self-managed", nodeInitImage: "a:latest" }, "nodeInitImage", /a digest/],
  [{ labels: { Team: "a" } }, 'labels["Team"]', /use lower-case/],
];
const poolRows: Row[] = [
  [{ notReadyTaintKey: "not ready" }, "notReadyTaintKey", /not a taint's key; write/],
  [{ notReadyTaint: false, notReadyTaintKey: "a" }, "notReadyTaintKey", /without that taint; leave it out/],
  [{ datapath: "sansproxy" }, "notReadyTaint", /set it to false/],
  [{ datapath: undefined }, "datapath", /give the Datapath's releaseName/],
  [pool({ machineType: "m6i.large" }), "pools[0].machineType", /write one such as/],
  [pool({ imageType: "COS" }), "pools[0].imageType", /images are/],
  [
    { pools: [{ name: "a" }, { name: "b", maxSize: 0, minSize: 0, desiredSize: 0 }] },
    "pools[1].maxSize",
    /use 1 or more/,
  ],
  [pool({ taint: [] }), "pools[0].taint", /did you mean "taints"/],
];

const facts = { clusterName: "c", nodeRoleArn: admin, subnetIds: subnets, datapath: "cilium" };
const kinds: [string, Row[], (inputs: Inputs) => unknown][] = [
  ["EksCluster", eksRows, (inputs) => new EksCluster("c", inputs)],
  [
    "EksNodeGroups",
    groupRows,
    (inputs) => new EksNodeGroups("n", { cluster: eks, ...facts, groups: [{ name: "a" }], ...inputs } as never),
  ],
  ["GkeCluster", gkeRows, (inputs) => new GkeCluster("c", { location: "europe-west3", ...inputs })],
  [
    "GkeNodePools",
    poolRows,
    (inputs) =>
      new GkeNodePools("n", {
        cluster: clusterOn("gke"),
        clusterName: "c",
        location: "europe-west3",
        datapath: "cilium",
        pools: [{ name: "a" }],
        ...inputs,
      } as never),
  ],
];
const table = kinds.flatMap(([kind, rows, make]) => rows.map((row) => [kind, ...row, make] as const));

describe("before anything is created", () => {
  it.each(table)("%s refuses %j at %s", async (_kind, inputs, propertyPath, reason, make) => {
    let problems: { propertyPath: string; reason: string }[] = [];
    const { resources } = await recordProgram(() => {
      try {
        make(inputs);
      } catch (error) {
        if (!pulumi.InputPropertiesError.isInstance(error)) throw error;
        problems = error.errors;
      }
    });
    expect([...resources.keys()]).toEqual([]);
    expect(problems.map((problem) => problem.propertyPath)).toEqual([propertyPath]);
    expect(problems[0]?.reason).toMatch(reason);
  });

  it.each([
    ["chaining", "v1.11.2-eksbuild.1"],
    ["chaining", "v1.20.0-eksbuild.1"],
    ["chaining", "v2.0.0-eksbuild.1"],
    ["agent", "v1.11.1-eksbuild.1"],
  ])("takes in mode %s the VPC CNI of version %s", (mode, vpcCniVersion) => {
    expect(() => checkEksInputs("C", "c", { mode, vpcCniVersion })).not.toThrow();
  });

  it("judges an existing VPC's subnets when they are known, where they are one output as those of another component", async () => {
    await recordProgram(async () => {
      const given = (ids: string[]) =>
        pulumi.output(checkEksInputs("C", "c", { ...vpc, privateSubnetIds: pulumi.output(ids) }).privateSubnetIds);
      expect(await refusal(given([subnets[0] ?? ""]))).toMatch(/privateSubnetIds: has 1 subnets, .* add one/);
      expect(await settled(given(subnets))).toEqual(subnets);
    });
    const ids = pulumi.output(subnets);
    const { resources } = await recordProgram(
      () =>
        new EksCluster("c", {
          ...vpc,
          privateSubnetIds: ids,
          publicSubnetIds: pulumi.output(["subnet-0123456789abcdef2"]),
        }),
    );
    const { privateSubnetIds, publicSubnetIds } = resources.get("c-cluster")?.inputs ?? {};
    expect([privateSubnetIds, publicSubnetIds]).toEqual([subnets, ["subnet-0123456789abcdef2"]]);
  });

  it("takes a group's version for what it is while the control plane's is not known", async () => {
    const later = { ...eks, kubernetesVersion: pulumi.output("v1.35") };
    const groups = [{ name: "a", kubernetesVersion: "1.34" }];
    const { resources } = await recordProgram(() => new EksNodeGroups("n", { cluster: later, ...facts, groups }));
    expect(resources.get("n-a")?.inputs["version"]).toBe("1.34");
  });

  it("lets no node be born with a taint that its datapath, known later, does not take away", async () => {
    await recordProgram(async () => {
      const datapath = (release: string, taint?: string) =>
        checkedDatapath("P", pulumi.output(release), taint) as pulumi.Output<string>;
      expect(await refusal(datapath("sansproxy", "a"))).toMatch(/notReadyTaint: is true, .* set it to false/);
      expect(await settled(datapath("sansproxy"))).toBe("sansproxy");
      expect(await settled(datapath("cilium", "a"))).toBe("cilium");
    });
  });

  it("sixty configurations and more", () => expect(table.length).toBeGreaterThanOrEqual(60));
});
