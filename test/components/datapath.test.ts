// SPDX-License-Identifier: Apache-2.0
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { Datapath, type DatapathArgs, type KubernetesCluster } from "../../components/index.ts";
import { adminKubeconfig, plainTexts, recordProgram, Secret, settled } from "./recorded-program.ts";

const cluster: KubernetesCluster = {
  name: "metal",
  platform: "bare-metal",
  kubernetesVersion: "v1.36.3",
  kubeconfig: pulumi.secret(adminKubeconfig),
  apiServerHost: pulumi.output("10.89.0.11"),
  apiServerPort: pulumi.output(6443),
  podCidrs: ["10.244.0.0/16"],
  serviceCidrs: ["10.96.0.0/12"],
  nodes: [],
  capabilities: { podCidrPerNode: true, nativeRouting: true, ownsCni: false },
};
const capabilities = (changes: Partial<KubernetesCluster["capabilities"]>): KubernetesCluster => ({
  ...cluster,
  capabilities: { ...cluster.capabilities, ...changes },
});

type Choice = Partial<DatapathArgs>;

async function problemsOf(choice: Choice): Promise<{ propertyPath: string; reason: string }[]> {
  let problems: { propertyPath: string; reason: string }[] = [];
  const { resources } = await recordProgram(() => {
    try {
      new Datapath("datapath", { cluster, engine: "agent", ...choice });
    } catch (error) {
      if (!pulumi.InputPropertiesError.isInstance(error)) throw error;
      problems = error.errors;
    }
  });
  if (problems.length > 0) expect([...resources.keys()]).toEqual([]);
  return problems;
}

const typed = (values: object): Choice => values as Choice;

const wrong: [what: string, choice: Choice, propertyPath: string, remedy: RegExp][] = [
  ["an engine that does not exist", { engine: "iptables" }, "engine", /use "agent"/],
  ["a mode of Cilium's", { mode: "native" }, "mode", /leave it out/],
  ["a version of Cilium's chart", { version: "1.20.0" }, "version", /leave it out/],
  ["an option of Cilium's", { loadBalancer: { dsrDispatch: "opt" } }, "loadBalancer.dsrDispatch", /leave it out/],
  ["Services served by nobody", { kubeProxyReplacement: false }, "kubeProxyReplacement", /set it to true/],
  ["no socket load balancing", { socketLB: { enabled: false } }, "socketLB.enabled", /set it to true/],
  [
    "BPF masquerade with masquerade off",
    { enableIPv4Masquerade: false },
    "bpf.masquerade",
    /enableIPv4Masquerade to true/,
  ],
  [
    "IPv6 masquerade by netfilter",
    { bpf: { masquerade: false }, enableIPv4Masquerade: false, enableIPv6Masquerade: true },
    "bpf.masquerade",
    /enableIPv6Masquerade to false/,
  ],
  ["masquerade by netfilter", { bpf: { masquerade: false } }, "bpf.masquerade", /bpf\.masquerade to true/],
  ["a tunnel", { routingMode: "tunnel" }, "routingMode", /set it to "native"/],
  [
    "direct routes through a tunnel",
    { routingMode: "tunnel", autoDirectNodeRoutes: true },
    "autoDirectNodeRoutes",
    /routingMode to "native"/,
  ],
  [
    "direct routes between segments",
    { cluster: capabilities({ nativeRouting: false }), autoDirectNodeRoutes: true },
    "autoDirectNodeRoutes",
    /set it to false/,
  ],
  [
    "direct server return without Maglev",
    { loadBalancer: { mode: "dsr" } },
    "loadBalancer.mode",
    /loadBalancer\.algorithm to "maglev"/,
  ],
  [
    "direct server return between segments",
    {
      cluster: capabilities({ nativeRouting: false }),
      loadBalancer: { mode: "hybrid", algorithm: "maglev" },
    },
    "loadBalancer.mode",
    /autoDirectNodeRoutes to true/,
  ],
  ["addresses from a cluster pool", { ipam: { mode: "cluster-pool" } }, "ipam.mode", /set it to "kubernetes"/],
  [
    "addresses that the platform does not give",
    { cluster: capabilities({ podCidrPerNode: false }) },
    "ipam.mode",
    /cni\.install to false/,
  ],
  [
    "a CNI plugin beside the platform's own",
    { cluster: capabilities({ ownsCni: true }), cni: { install: true } },
    "cni.install",
    /set it to false/,
  ],
  [
    "a native routing network beside the pods'",
    { ipv4NativeRoutingCIDR: "10.1.0.0/16" },
    "ipv4NativeRoutingCIDR",
    /widen it/,
  ],
  [
    "a native routing network inside the pods'",
    { ipv4NativeRoutingCIDR: "10.244.0.0/24" },
    "ipv4NativeRoutingCIDR",
    /widen it/,
  ],
  [
    "a native routing network that is none",
    { ipv4NativeRoutingCIDR: "10.244.0.0" },
    "ipv4NativeRoutingCIDR",
    /leave it out/,
  ],
  [
    "a native routing network of the other family",
    { ipv6NativeRoutingCIDR: "10.244.0.0/16" },
    "ipv6NativeRoutingCIDR",
    /not an IPv6 network/,
  ],
  [
    "an address without its prefix for NodePorts",
    { nodePort: { addresses: ["192.168.10.0/24", "192.168.11.5"] } },
    "nodePort.addresses[1]",
    /"192\.168\.10\.5\/32" for one address/,
  ],
  [
    "a network for NodePorts that begins in its middle, by Helm's road",
    { helmValues: { nodePort: { addresses: ["192.168.10.1/24"] } } },
    "helmValues.nodePort.addresses[0]",
    /not a network in CIDR form/,
  ],
  [
    "a network for NodePorts of a family that the cluster lacks",
    { nodePort: { addresses: ["2001:db8::/32"] } },
    "nodePort.addresses[0]",
    /no IPv6.*leave it out/,
  ],
  ["one text for a list of networks", typed({ nodePort: { addresses: "10.0.0.0/8" } }), "nodePort.addresses", /array/],
  ["a NodePort range backwards", { nodePort: { range: "32767,30000" } }, "nodePort.range", /30000,32767/],
  [
    "a health address without a port",
    { kubeProxyReplacementHealthzBindAddr: "0.0.0.0" },
    "kubeProxyReplacementHealthzBindAddr",
    /0\.0\.0\.0:10256/,
  ],
  [
    "a health address that no machine has",
    { kubeProxyReplacementHealthzBindAddr: "999.0.0.1:10256" },
    "kubeProxyReplacementHealthzBindAddr",
    /0\.0\.0\.0:10256/,
  ],
  [
    "an IPv6 health address of brackets alone",
    { kubeProxyReplacementHealthzBindAddr: "[::::]:10256" },
    "kubeProxyReplacementHealthzBindAddr",
    /0\.0\.0\.0:10256/,
  ],
  [
    "a metrics address without a port",
    { helmValues: { metricsBindAddress: "127.0.0.1" } },
    "helmValues.metricsBindAddress",
    /127\.0\.0\.1:10249/,
  ],
  [
    "a network without masquerade that is none",
    { helmValues: { ipMasqAgent: { config: { nonMasqueradeCIDRs: ["10.0.0.0/8", "10.0.0.0/99"] } } } },
    "helmValues.ipMasqAgent.config.nonMasqueradeCIDRs[1]",
    /not a network in CIDR form/,
  ],
  [
    "no memory for maps",
    { helmValues: { bpf: { mapDynamicSizeRatio: 0 } } },
    "helmValues.bpf.mapDynamicSizeRatio",
    /0/,
  ],
  ["no time for the installation", { timeoutSeconds: 0 }, "timeoutSeconds", /whole seconds from 1/],
  ["an image without a name", { image: { repository: "" } }, "image.repository", /at least 1/],
  [
    "a ServiceMonitor of agents that answer to nobody but their node",
    { kubeProxyReplacementHealthzBindAddr: "127.0.0.1:10256", prometheus: { serviceMonitor: { enabled: true } } },
    "kubeProxyReplacementHealthzBindAddr",
    /0\.0\.0\.0:10256/,
  ],
  [
    "a ServiceMonitor with Prometheus turned off",
    { prometheus: { enabled: false, serviceMonitor: { enabled: true } } },
    "prometheus.enabled",
    /set it to true/,
  ],
  [
    "an interval without its unit",
    { prometheus: { serviceMonitor: { enabled: true, interval: "10" } } },
    "prometheus.serviceMonitor.interval",
    /\[smh\]/,
  ],
  ["an image that is not pinned", { image: { tag: "latest" } }, "image.tag", /name one version/],
  ["a typed API server host", typed({ k8sServiceHost: "10.96.0.1" }), "k8sServiceHost", /controlPlaneEndpoint/],
  [
    "a typed API server port",
    { helmValues: { k8sServicePort: 443 } },
    "helmValues.k8sServicePort",
    /controlPlaneEndpoint/,
  ],
  ["a misspelled input", typed({ timeoutSecond: 60 }), "timeoutSecond", /did you mean "timeoutSeconds"\?/],
  [
    "a misspelled value",
    { helmValues: { kubeProxyReplacment: true } },
    "helmValues.kubeProxyReplacment",
    /did you mean "kubeProxyReplacement"\?/,
  ],
  [
    "a misspelled value inside another",
    { helmValues: { bpf: { masquerad: true } } },
    "helmValues.bpf.masquerad",
    /did you mean "masquerade"\?/,
  ],
  [
    "a value of Cilium's that the agent lacks",
    { helmValues: { hubble: { enabled: true } } },
    "helmValues.hubble",
    /leave it out/,
  ],
  [
    "a text for a flag",
    { helmValues: { autoDirectNodeRoutes: "true" } },
    "helmValues.autoDirectNodeRoutes",
    /takes boolean/,
  ],
  ["a text for a typed flag", typed({ autoDirectNodeRoutes: "yes" }), "autoDirectNodeRoutes", /takes boolean/],
  ["a relative CNI folder", { cni: { confPath: "etc/cni" } }, "cni.confPath", /of the form/],
  [
    "a forbidden value by Helm's road",
    { helmValues: { kubeProxyReplacement: false } },
    "helmValues.kubeProxyReplacement",
    /set it to true/,
  ],
];

describe("the inputs of Datapath", () => {
  it("are accepted when they are left out", async () => {
    expect(await problemsOf({})).toEqual([]);
  });

  it.each(wrong)("refuse %s, naming the property and the remedy", async (_what, choice, propertyPath, remedy) => {
    const problems = await problemsOf(choice);
    const found = problems.find((problem) => problem.propertyPath === propertyPath);
    expect(found, JSON.stringify(problems)).toBeDefined();
    expect(found?.reason).toMatch(remedy);
  });

  it("accept no masquerading at all", async () => {
    expect(await problemsOf({ enableIPv4Masquerade: false, bpf: { masquerade: false } })).toEqual([]);
  });

  const dualStack = { ...cluster, podCidrs: ["10.244.0.0/16", "fd00:244::/56"] };

  it.each([
    ["one family", { enableIPv6Masquerade: false }],
    ["the other family", { enableIPv4Masquerade: false }],
    ["neither", { enableIPv4Masquerade: false, enableIPv6Masquerade: false, bpf: { masquerade: false } }],
  ])("accept masquerading %s of a dual-stack cluster", async (_what, choice) => {
    expect(await problemsOf({ cluster: dualStack, ...choice })).toEqual([]);
  });

  it("accept networks of both families for NodePorts of a dual-stack cluster", async () => {
    const addresses = ["192.168.10.0/24", "2001:db8:10::/64"];
    expect(await problemsOf({ cluster: dualStack, nodePort: { addresses } })).toEqual([]);
  });

  it("name a wrong network for NodePorts once", async () => {
    expect(await problemsOf({ nodePort: { addresses: ["everywhere"] } })).toHaveLength(1);
    expect(await problemsOf({ helmValues: { nodePort: { addresses: ["everywhere"] } } })).toHaveLength(1);
  });

  it("refuse an IPv6 network that leaves pods out", async () => {
    const [problem, ...others] = await problemsOf({ cluster: dualStack, ipv6NativeRoutingCIDR: "fd00:245::/56" });
    expect(problem?.propertyPath).toBe("ipv6NativeRoutingCIDR");
    expect(problem?.reason).toContain("fd00:244::/56");
    expect(others).toEqual([]);
  });
});

describe("Datapath", () => {
  const build = (choice: Choice = {}) =>
    recordProgram(() => new Datapath("datapath", { cluster, engine: "agent", ...choice }));

  it("derives the API server's address and lays the user's values over the cluster's", async () => {
    const { result } = await build({ devices: "eth0", helmValues: { cni: { binPath: "/opt/cni/bin" } } });
    const values = await settled(result.effectiveValues);
    expect(values).toMatchObject({
      kubeProxyReplacement: true,
      k8sServiceHost: "10.89.0.11",
      k8sServicePort: 6443,
      socketLB: { enabled: true },
      bpf: { masquerade: true },
      ipam: { mode: "kubernetes" },
      routingMode: "native",
      autoDirectNodeRoutes: true,
      ipv4NativeRoutingCIDR: "10.244.0.0/16",
      enableIPv6Masquerade: false,
      devices: "eth0",
      cni: { install: true, binPath: "/opt/cni/bin" },
    });
    expect((values["image"] as { tag: string }).tag).toMatch(/^\d+\.\d+\.\d+/);
  });

  it.each([
    ["eks", "agent"],
    ["gke", "self-managed"],
  ])("shows all values in a preview in which the cluster of %s does not exist yet", async (platform, mode) => {
    const never = <T>() => pulumi.output(pulumi.unknown as T);
    const later: KubernetesCluster = {
      ...capabilities({ nativeRouting: false, ownsCni: true, mode }),
      platform,
      apiServerHost: never(),
      apiServerPort: 443,
      kubeconfig: never(),
    };
    const { resources, result } = await recordProgram(
      () => new Datapath("datapath", { cluster: later, engine: "agent" }),
      true,
    );
    const values = await settled(result.effectiveValues);
    const reference = { name: "sansproxy-api-server", key: "host" };
    expect(values).toMatchObject({ k8sServiceHostRef: reference, k8sServicePort: 443, cni: { install: false } });
    expect(values).not.toHaveProperty("k8sServiceHost");
    expect(resources.get("datapath-release")?.inputs["values"]).toEqual(values);
    expect(resources.get("datapath-release")?.dependencies).toContain("datapath-api-server");
    const { metadata, data } = resources.get("datapath-api-server")?.inputs ?? {};
    expect(metadata).toMatchObject({ name: reference.name, namespace: "kube-system" });
    expect(data).toEqual({ [reference.key]: pulumi.runtime.unknownValue });
  });

  it("installs one release that waits for no Pod", async () => {
    const { resources, result } = await build();
    const release = resources.get("datapath-release");
    expect(release?.inputs).toMatchObject({
      name: "sansproxy",
      namespace: "kube-system",
      skipAwait: true,
      atomic: false,
      values: await settled(result.effectiveValues),
    });
    expect(release?.inputs).not.toHaveProperty("version");
    expect(release?.inputs).not.toHaveProperty("repositoryOpts");
    expect([...resources.keys()].sort()).toEqual(["datapath", "datapath-kubernetes", "datapath-release"]);
  });

  it("passes the kubeconfig on as a secret only", async () => {
    const { resources } = await build();
    expect(resources.get("datapath-kubernetes")?.inputs["kubeconfig"]).toBeInstanceOf(Secret);
    for (const { name, inputs } of resources.values()) {
      for (const [path, text] of plainTexts(inputs)) expect(text, `${name}${path}`).not.toContain("client-key-data");
    }
  });

  it("checks values that are outputs as soon as they are known", async () => {
    const { result } = await build({ devices: pulumi.output("eth1") });
    expect(await settled(result.effectiveValues)).toMatchObject({ devices: "eth1" });
  });
});
