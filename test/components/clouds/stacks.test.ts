// SPDX-License-Identifier: Apache-2.0
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { bareMetalStack } from "../../../stacks/bare-metal/program.ts";
import { type EksSettings, eksStack, readEksSettings } from "../../../stacks/eks/program.ts";
import { gkeStack, readGkeSettings } from "../../../stacks/gke/program.ts";
import { multiCloudStack, readMultiCloudSettings } from "../../../stacks/multi-cloud/program.ts";
import { args as metalArgs } from "../bare-metal-args.ts";
import { ancestors, plainTexts, type RecordedResource, recordProgram, settled } from "../recorded-program.ts";
import { buildEks, buildGke, eks, gke, selfManaged } from "./small-stacks.ts";

const multiCloud = (datapath: EksSettings["datapath"] = { engine: "cilium" }, mode = "eni") =>
  multiCloudStack({
    eks: eks({ cluster: { mode }, datapath }),
    gke: gke({ cluster: selfManaged, datapath }),
    bareMetal: { cluster: metalArgs(), datapath },
  });

const inputs = (resources: ReadonlyMap<string, RecordedResource>, name: string) => {
  const found = resources.get(name);
  if (found === undefined) throw new Error(`There is no resource ${name}.`);
  return found.inputs;
};

const earlier = ancestors;

/** A VPC that exists. */
const existing = {
  vpcId: "vpc-0123456789abcdef0",
  vpcCidr: "10.50.0.0/16",
  privateSubnetIds: ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
};

describe("the EKS stack", () => {
  it.each(["eni", "chaining", "overlay", "agent"])(
    "makes in mode %s control plane, datapath, nodes, DNS and proof in this order",
    async (mode) => {
      const { resources } = await buildEks({ cluster: { mode } });
      expect(earlier(resources, "eks-datapath-release")).toContain("eks-cluster");
      expect(earlier(resources, "eks-datapath-release")).not.toContain("eks-nodes-default");
      for (const name of ["eks-cluster", "eks-datapath-release", "eks-node-AmazonEKSWorkerNodePolicy"]) {
        expect(earlier(resources, "eks-nodes-default")).toContain(name);
      }
      expect(earlier(resources, "eks-nodes-coredns")).toContain("eks-nodes-default");
      for (const name of ["eks-nodes-coredns", "eks-nodes-default", "eks-datapath-release"]) {
        expect(earlier(resources, "eks-verification-run")).toContain(name);
      }
    },
  );

  it("asks for a control plane with no add-on, no node and no security group of its own", async () => {
    const { resources } = await buildEks();
    expect(inputs(resources, "eks-cluster")).toMatchObject({
      bootstrapSelfManagedAddons: false,
      useDefaultVpcCni: true,
      kubeProxyAddonOptions: { enabled: false },
      corednsAddonOptions: { enabled: false },
      skipDefaultNodeGroup: true,
      skipDefaultSecurityGroups: true,
      authenticationMode: "API",
      endpointPrivateAccess: true,
    });
  });

  it.each([
    ["eni", ["eks-pod-identity-agent", "coredns"], ["node.cilium.io/agent-not-ready"], true],
    ["overlay", ["eks-pod-identity-agent", "coredns"], ["node.cilium.io/agent-not-ready"], false],
    ["chaining", ["eks-pod-identity-agent", "vpc-cni", "coredns"], ["node.cilium.io/agent-not-ready"], false],
    ["agent", ["eks-pod-identity-agent", "vpc-cni", "coredns"], [], false],
  ])(
    "has in mode %s the add-ons %j, the taints %j, and permissions for interfaces: %j",
    async (mode, wanted, taints, eni) => {
      const { resources } = await buildEks({ cluster: { mode } });
      const addOns = [...resources.values()].filter(({ type }) => type === "aws:eks/addon:Addon");
      expect(addOns.map(({ inputs }) => inputs["addonName"])).toEqual(wanted);
      for (const { inputs } of addOns) expect(inputs["preserve"]).toBe(false);
      const group = inputs(resources, "eks-nodes-default");
      expect(((group["taints"] ?? []) as { key: string }[]).map(({ key }) => key)).toEqual(taints);
      expect(resources.has("eks-node-eni")).toBe(eni);
    },
  );

  it("lets Cilium's operator ask for all that its documentation names", async () => {
    const { resources } = await buildEks();
    const [statement] = JSON.parse(inputs(resources, "eks-node-eni")["policy"]).Statement;
    expect(statement.Action.map((action: string) => action.replace("ec2:", ""))).toEqual([
      "AssignIpv6Addresses",
      "AssignPrivateIpAddresses",
      "AttachNetworkInterface",
      "CreateNetworkInterface",
      "CreateTags",
      "DeleteNetworkInterface",
      "DescribeInstanceTypes",
      "DescribeInstances",
      "DescribeManagedPrefixLists",
      "DescribeNetworkInterfaces",
      "DescribeRouteTables",
      "DescribeSecurityGroups",
      "DescribeSubnets",
      "DescribeTags",
      "DescribeVpcs",
      "GetManagedPrefixListEntries",
      "ModifyNetworkInterfaceAttribute",
      "UnassignPrivateIpAddresses",
    ]);
  });

  it("tells AWS' CNI plugin the API server's own address, where nothing serves Services yet", async () => {
    const { resources } = await buildEks({ cluster: { mode: "agent" } });
    expect(JSON.parse(inputs(resources, "eks-vpc-cni")["configurationValues"])).toEqual({
      env: { CLUSTER_ENDPOINT: "https://0123456789ABCDEF.gr7.eu-central-1.eks.amazonaws.com" },
    });
  });

  it("writes taints as AWS' API spells them, the user's after its own", async () => {
    const groups = [{ name: "default" }, { name: "batch", taints: [{ key: "batch", effect: "PreferNoSchedule" }] }];
    const { resources } = await buildEks({ groups });
    expect(inputs(resources, "eks-nodes-batch")["taints"]).toEqual([
      { key: "node.cilium.io/agent-not-ready", value: "true", effect: "NO_EXECUTE" },
      { key: "batch", value: "", effect: "PREFER_NO_SCHEDULE" },
    ]);
  });

  it.each([
    { agentNotReadyTaintKey: "example.com/not-ready" },
    { helmValues: { agentNotReadyTaintKey: "example.com/not-ready" } },
  ])("gives nodes the taint that Cilium is told to take away: %j", async (datapath) => {
    const { resources } = await buildEks({ datapath });
    expect(inputs(resources, "eks-nodes-default")["taints"]).toEqual([
      { key: "example.com/not-ready", value: "true", effect: "NO_EXECUTE" },
    ]);
  });

  it("hands the version of cluster DNS of its configuration to the add-on", async () => {
    const values: Record<string, string> = { eksCoreDnsVersion: "v1.13.2-eksbuild.4" };
    const { resources } = await recordProgram(() => eksStack("eks", readEksSettings({ get: (key) => values[key] })));
    expect(inputs(resources, "eks-nodes-coredns")["addonVersion"]).toBe("v1.13.2-eksbuild.4");
  });

  it("uses a VPC that exists, and makes none", async () => {
    const { resources } = await buildEks({ cluster: existing });
    expect([...resources.values()].filter(({ type }) => type.startsWith("aws:ec2/"))).toEqual([]);
    expect(inputs(resources, "eks-nodes-default")["subnetIds"]).toEqual(existing.privateSubnetIds);
    expect(inputs(resources, "eks-datapath-release")["values"]).toMatchObject({
      ipv4NativeRoutingCIDR: "10.50.0.0/16",
    });
  });

  it.each([
    ["eni", "io.cilium/cluster-name"],
    ["chaining", "cluster.k8s.amazonaws.com/name"],
    ["overlay", undefined],
    ["agent", "cluster.k8s.amazonaws.com/name"],
  ])("cleans up in mode %s in a VPC that exists only what carries the cluster's name in %s", async (mode, tag) => {
    const cluster = { ...existing, mode, clusterName: "main" };
    const { resources } = await buildEks({ cluster });
    const leftovers = resources.get("eks-network-interfaces");
    if (tag === undefined) return expect(leftovers).toBeUndefined();
    expect(leftovers?.inputs["environment"]).toEqual({
      VPC_ID: existing.vpcId,
      AWS_REGION: "eu-central-1",
      OWNER: `Name=tag:${tag},Values=main`,
    });
    expect(earlier(resources, "eks-cluster")).toContain("eks-network-interfaces");
    const values = inputs(resources, "eks-datapath-release")["values"];
    if (mode === "eni") expect(values["eni"]["gcTags"]).toMatchObject({ [tag]: "main" });
  });

  it("cuts its own VPC into subnets that share no address", async () => {
    const { resources } = await buildEks({ cluster: { vpcCidr: "10.60.0.0/18" } });
    const cidrs = [...resources.values()]
      .filter(({ type }) => type === "aws:ec2/subnet:Subnet")
      .map((one) => one.inputs["cidrBlock"]);
    expect(cidrs).toEqual(["10.60.32.0/21", "10.60.40.0/21", "10.60.0.0/21", "10.60.8.0/21"]);
  });

  it("cleans up behind the nodes before the subnets go, and releases load balancers before the nodes go", async () => {
    const { resources } = await buildEks();
    expect(earlier(resources, "eks-cluster")).toContain("eks-network-interfaces");
    expect(earlier(resources, "eks-network-interfaces")).toContain("eks-private-1");
    expect(earlier(resources, "eks-load-balancers-release")).toContain("eks-nodes-default");
    expect(resources.get("eks-load-balancers-release")?.deletedWith).toBe("");
    expect(resources.get("eks-datapath-release")?.deletedWith).toBe("eks");
  });

  it("hands the probes' image and the time of its configuration to the verification", async () => {
    const of = (verification: object) =>
      readEksSettings({ get: (key) => (key === "verification" ? JSON.stringify(verification) : undefined) });
    const settings = of({ image: "registry.example/probes:1.2", timeoutSeconds: 900 });
    const { resources } = await recordProgram(() => eksStack("eks", settings));
    const { interpreter } = inputs(resources, "eks-verification-run");
    expect(interpreter).toEqual(
      expect.arrayContaining(["--datapath=cilium", "--image=registry.example/probes:1.2", "--timeout=900s"]),
    );
    expect(() => of({ imgae: "x" })).toThrow(/verification\.imgae is given, .* image and timeoutSeconds; leave it out/);
    expect(() => of({ timeoutSeconds: "900" })).toThrow(/timeoutSeconds is "900", but it has to be a number/);
  });

  it("reads its configuration as trees, and refuses what is none", () => {
    const of = (values: Record<string, string>) => readEksSettings({ get: (key) => values[key] });
    expect(of({ eks: '{"mode":"overlay"}' }).cluster).toEqual({ mode: "overlay" });
    expect(() => of({ eks: "overlay" })).toThrow(
      /sansproxy:eks is "overlay", but it has to be an object \(pulumi config set/,
    );
    expect(() => of({ eksNodeGroups: "{}" })).toThrow(/has to be a list/);
    expect(() => of({ datapath: '{"cluster":{}}' })).toThrow(/the stack makes the cluster itself; leave it out/);
  });
});

describe("the GKE stack", () => {
  it("leaves Services to Dataplane V2 by default: no datapath of ours, and nothing on the nodes", async () => {
    const { resources } = await buildGke();
    expect(inputs(resources, "gke-cluster")).toMatchObject({
      datapathProvider: "ADVANCED_DATAPATH",
      networkingMode: "VPC_NATIVE",
    });
    expect(inputs(resources, "gke-nodes-default")["nodeConfig"]).not.toHaveProperty("taints");
    expect([...resources.keys()].filter((name) => /datapath|node-init/.test(name))).toEqual([]);
  });

  it("makes in mode self-managed control plane, datapath, nodes and proof in this order", async () => {
    const { resources } = await buildGke({ cluster: selfManaged });
    expect(earlier(resources, "gke-datapath-release")).toContain("gke-cluster");
    expect(earlier(resources, "gke-node-init")).toContain("gke-cluster");
    expect(earlier(resources, "gke-nodes-default")).toContain("gke-datapath-release");
    expect(earlier(resources, "gke-verification-run")).toContain("gke-nodes-default");
    expect(inputs(resources, "gke-nodes-default")).toHaveProperty(
      "nodeConfig.resourceLabels.sansproxy-datapath",
      "cilium",
    );
    expect(inputs(resources, "gke-nodes-default")).toHaveProperty("nodeConfig.taints", [
      { key: "node.cilium.io/agent-not-ready", value: "true", effect: "NO_EXECUTE" },
    ]);
  });

  it("gives nodes no taint that the agent would not take away", async () => {
    const { resources } = await buildGke({ cluster: selfManaged, datapath: { engine: "agent" } });
    expect(inputs(resources, "gke-nodes-default")["nodeConfig"]).not.toHaveProperty("taints");
    expect(inputs(resources, "gke-datapath-release")).toHaveProperty("values.cni.install", false);
  });

  it("gives nodes the taint that Cilium is told to take away", async () => {
    const datapath = { agentNotReadyTaintKey: "example.com/not-ready" };
    const { resources } = await buildGke({ cluster: selfManaged, datapath });
    expect(inputs(resources, "gke-nodes-default")).toHaveProperty("nodeConfig.taints", [
      { key: "example.com/not-ready", value: "true", effect: "NO_EXECUTE" },
    ]);
  });

  it("hands the nodes' account of its configuration to the pools", async () => {
    const values: Record<string, string> = { gkeServiceAccount: "nodes@shop.iam.gserviceaccount.com" };
    const { resources } = await recordProgram(() => gkeStack("gke", readGkeSettings({ get: (key) => values[key] })));
    expect(inputs(resources, "gke-nodes-default")).toHaveProperty(
      "nodeConfig.serviceAccount",
      "nodes@shop.iam.gserviceaccount.com",
    );
  });

  it("reaches the API server inside the network from private nodes", async () => {
    const { result } = await buildGke();
    expect(await settled(pulumi.output(result.apiServerHost))).toBe("172.16.0.2");
  });

  it("deletes its cluster when asked, unless protected", async () => {
    const { resources } = await buildGke();
    expect(inputs(resources, "gke-cluster")["deletionProtection"]).toBe(false);
    const kept = await buildGke({ cluster: { location: "europe-west3", deletionProtection: true } });
    expect(inputs(kept.resources, "gke-cluster")["deletionProtection"]).toBe(true);
  });
});

describe("the bare-metal stack", () => {
  it("makes the datapath while workers join, and proves it after both", async () => {
    const { resources } = await recordProgram(() => bareMetalStack("metal", { cluster: metalArgs(), datapath: {} }));
    for (const name of ["metal-datapath-release", "metal-worker-1-member"]) {
      expect(earlier(resources, "metal-verification-run")).toContain(name);
    }
  });
});

describe("the multi-cloud stack", () => {
  it("is the same program twice", async () => {
    const [one, two] = [await recordProgram(() => multiCloud()), await recordProgram(() => multiCloud())];
    const shown = (resources: ReadonlyMap<string, RecordedResource>) =>
      JSON.stringify([...resources.values()].sort((a, b) => a.name.localeCompare(b.name)));
    expect(shown(one.resources)).toBe(shown(two.resources));
    expect(one.resources.size).toBeGreaterThan(60);
  });

  it("installs one version everywhere, and lets no cluster wait for another", async () => {
    const { resources } = await recordProgram(() => multiCloud());
    const releases = [...resources.values()].filter(({ type }) => type === "kubernetes:helm.sh/v3:Release");
    expect(releases.map(({ name, inputs }) => [name, inputs["version"]]).sort()).toEqual([
      ["eks-datapath-release", "1.20.0"],
      ["gke-datapath-release", "1.20.0"],
      ["metal-datapath-release", "1.20.0"],
    ]);
    for (const [own, others] of [
      ["eks", /^(gke|metal)/],
      ["gke", /^(eks|metal)/],
      ["metal", /^(eks|gke)/],
    ] as const) {
      for (const name of earlier(resources, `${own}-verification-run`)) expect(name).not.toMatch(others);
    }
  });

  it("lays what one cluster's datapath has of its own over what all have", () => {
    const of = (values: Record<string, unknown>) => {
      const all: Record<string, unknown> = { bareMetal: { hosts: [] }, gke: selfManaged, ...values };
      const settings = readMultiCloudSettings({
        get: (key) => (all[key] === undefined ? undefined : JSON.stringify(all[key])),
        requireSecret: (key) => pulumi.secret(key),
      });
      return [settings.eks, settings.gke, settings.bareMetal].map(({ datapath }) => datapath);
    };
    const common = { version: "1.20.1", loadBalancer: { algorithm: "maglev" } };
    const all = { engine: "cilium", ...common };
    expect(
      of({
        datapath: common,
        eksDatapath: { mode: "eni-masquerading" },
        bareMetalDatapath: { version: "1.20.0", loadBalancer: { mode: "dsr" } },
      }),
    ).toEqual([
      { ...all, mode: "eni-masquerading" },
      all,
      { engine: "cilium", version: "1.20.0", loadBalancer: { algorithm: "maglev", mode: "dsr" } },
    ]);
    expect(of({ eks: { mode: "agent" }, bareMetalDatapath: { engine: "cilium" } })).toEqual([
      { engine: "agent" },
      { engine: "agent" },
      { engine: "cilium" },
    ]);
    expect(() => of({ eksDatapath: { cluster: {} } })).toThrow(/sansproxy:eksDatapath\.cluster is given/);
    expect(() => of({ gke: { location: "europe-west3" }, gkeDatapath: { version: "1.20.0" } })).toThrow(
      /sansproxy:gkeDatapath is given, .* mode dataplane-v2; leave it out/,
    );
  });

  it("reports on all three together", async () => {
    const { result } = await recordProgram(() => multiCloud());
    expect(await settled(result.report)).toEqual({
      passed: true,
      clusters: Object.fromEntries(
        ["eks", "gke", "metal"].map((name) => [name, { passed: true, checks: 1, durationMs: 1234 }]),
      ),
    });
  });

  it("has no kube-proxy, and no token in the open", async () => {
    const { resources, result } = await recordProgram(() => multiCloud());
    for (const { name, type, inputs } of resources.values()) {
      expect(`${type} ${name} ${inputs["addonName"] ?? ""}`).not.toContain("kube-proxy");
      for (const [path, text] of plainTexts(inputs)) expect(text, `${name}${path}`).not.toContain("THE-EKS-TOKEN");
    }
    expect(await pulumi.isSecret(result.eks.kubeconfig)).toBe(true);
    expect(await pulumi.isSecret(result.gke.kubeconfig)).toBe(true);
  });

  it("can be previewed before anything exists", async () => {
    for (const engine of ["cilium", "agent"]) {
      const { resources } = await recordProgram(
        () => multiCloud({ engine }, engine === "agent" ? "agent" : "eni"),
        true,
      );
      for (const cloud of ["eks", "gke"]) {
        expect(inputs(resources, `${cloud}-datapath-release`)["values"]).toMatchObject({
          kubeProxyReplacement: true,
          k8sServicePort: 443,
        });
      }
    }
  });
});
