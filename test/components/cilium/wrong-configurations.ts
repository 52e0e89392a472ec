// SPDX-License-Identifier: Apache-2.0
// Configurations of Cilium that cannot work: each with the one property to blame, its reason and the remedy.

import * as pulumi from "@pulumi/pulumi";
import type { DatapathArgs, KubernetesCluster } from "../../../components/index.ts";
import { platformOf } from "./settings.ts";

export type Choice = Omit<DatapathArgs, "cluster" | "engine">;
export interface Wrong {
  readonly what: string;
  readonly cluster: KubernetesCluster;
  readonly choice: Choice;
  readonly propertyPath: string;
  readonly reason: RegExp;
  readonly remedy: RegExp;
}

export function clusterOn(platform: string, changes: Partial<KubernetesCluster> = {}): KubernetesCluster {
  const { capabilities, podCidr, serviceCidr, host, port } = platformOf(platform);
  return {
    name: platform,
    platform,
    kubernetesVersion: "v1.36.3",
    kubeconfig: pulumi.secret("apiVersion: v1\n"),
    apiServerHost: host,
    apiServerPort: port,
    podCidrs: [podCidr],
    serviceCidrs: [serviceCidr],
    nodes: [],
    capabilities,
    ...changes,
  };
}

const typed = (values: object): Choice => values as Choice;
const helm = (helmValues: object): Choice => ({ helmValues: helmValues as { [key: string]: unknown } });

type Row = [what: string, choice: Choice, propertyPath: string, reason: RegExp, remedy: RegExp];

const on = (platform: string, rows: readonly Row[], changes: Partial<KubernetesCluster> = {}): Wrong[] =>
  rows.map(([what, choice, propertyPath, reason, remedy]) => ({
    what,
    cluster: clusterOn(platform, changes),
    choice,
    propertyPath,
    reason,
    remedy,
  }));

const segments = { podCidrPerNode: true, nativeRouting: false, ownsCni: false };
const fixed = { podCidrPerNode: false, nativeRouting: false, ownsCni: true, fixedDatapath: true };
const crowd = { services: 10000, endpoints: 100000 };

const serving: Row[] = [
  [
    "no replacement of kube-proxy",
    { kubeProxyReplacement: false },
    "kubeProxyReplacement",
    /nobody would serve/,
    /set it to true/,
  ],
  [
    "a replacement of an older chart",
    helm({ kubeProxyReplacement: "strict" }),
    "helmValues.kubeProxyReplacement",
    /older charts/,
    /set it to true/,
  ],
  [
    "no socket load balancing",
    { socketLB: { enabled: false } },
    "socketLB.enabled",
    /turns it on all the same/,
    /hostNamespaceOnly/,
  ],
  [
    "Gateway API with pods' socket load balancing",
    { gatewayAPI: { enabled: true } },
    "gatewayAPI.enabled",
    /silently takes/,
    /hostNamespaceOnly: true/,
  ],
  [
    "a balancing mode that does not exist",
    { loadBalancer: { mode: "dnat" } },
    "loadBalancer.mode",
    /"snat", "dsr", "hybrid"/,
    /use one of these/,
  ],
  [
    "an algorithm that does not exist",
    { loadBalancer: { algorithm: "roundrobin" } },
    "loadBalancer.algorithm",
    /"random", "maglev"/,
    /use one of these/,
  ],
  [
    "an acceleration that does not exist",
    { loadBalancer: { acceleration: "xdp" } },
    "loadBalancer.acceleration",
    /"best-effort"/,
    /use one of these/,
  ],
  [
    "a dispatch that does not exist",
    { loadBalancer: { dsrDispatch: "vxlan" } },
    "loadBalancer.dsrDispatch",
    /"geneve"/,
    /use one of these/,
  ],
  [
    "a dispatch by Geneve without Geneve",
    { loadBalancer: { dsrDispatch: "geneve" } },
    "loadBalancer.dsrDispatch",
    /tunnelProtocol is "vxlan"/,
    /tunnelProtocol to "geneve"/,
  ],
  [
    "a Maglev table of no prime",
    { maglev: { tableSize: 10000 } },
    "maglev.tableSize",
    /only the primes/,
    /use one of these/,
  ],
  [
    "a misspelled value of Maglev's",
    helm({ maglev: { tablesize: 65521 } }),
    "helmValues.maglev.tablesize",
    /would be ignored/,
    /tableSize/,
  ],
  [
    "a short seed for Maglev",
    helm({ maglev: { hashSeed: "abc" } }),
    "helmValues.maglev.hashSeed",
    /12 bytes/,
    /urandom/,
  ],
  [
    "a health address without a port",
    { kubeProxyReplacementHealthzBindAddr: "0.0.0.0" },
    "kubeProxyReplacementHealthzBindAddr",
    /load balancers ask/,
    /0\.0\.0\.0:10256/,
  ],
  [
    "no health address",
    { kubeProxyReplacementHealthzBindAddr: "" },
    "kubeProxyReplacementHealthzBindAddr",
    /load balancers ask/,
    /0\.0\.0\.0:10256/,
  ],
  [
    "a NodePort range backwards",
    { nodePort: { range: "32767,30000" } },
    "nodePort.range",
    /"32767,30000"/,
    /30000,32767/,
  ],
];

const routing: Row[] = [
  [
    "BPF masquerade with masquerading off",
    { enableIPv4Masquerade: false },
    "bpf.masquerade",
    /refuses to start/,
    /enableIPv4Masquerade to true/,
  ],
  [
    "interfaces for a masquerade that has none",
    helm({ egressMasqueradeInterfaces: "eth0" }),
    "helmValues.egressMasqueradeInterfaces",
    /refuses to start/,
    /leave it out/,
  ],
  [
    "a routing mode that does not exist",
    {
      routingMode: "direct",
      loadBalancer: { mode: "snat" },
      autoDirectNodeRoutes: false,
      installNoConntrackIptablesRules: false,
    },
    "routingMode",
    /"direct"/,
    /"native" or "tunnel"/,
  ],
  [
    "direct routes through a tunnel",
    { routingMode: "tunnel", loadBalancer: { mode: "snat" }, installNoConntrackIptablesRules: false },
    "autoDirectNodeRoutes",
    /refuses to start/,
    /routingMode to "native"/,
  ],
  [
    "a native network beside the pods'",
    { ipv4NativeRoutingCIDR: "10.1.0.0/16" },
    "ipv4NativeRoutingCIDR",
    /does not contain the pod CIDR/,
    /widen it/,
  ],
  [
    "a native network that is none",
    { ipv4NativeRoutingCIDR: "10.244.0.0" },
    "ipv4NativeRoutingCIDR",
    /native routing has to know/,
    /CIDR notation/,
  ],
  [
    "native routing with no network",
    helm({ ipv4NativeRoutingCIDR: "" }),
    "helmValues.ipv4NativeRoutingCIDR",
    /native routing has to know/,
    /CIDR notation/,
  ],
  ["AWS' interfaces on bare metal", { eni: { enabled: true } }, "eni.enabled", /is for AWS/, /leave it out/],
  ["AWS' addresses on bare metal", { ipam: { mode: "eni" } }, "ipam.mode", /in mode "native"/, /leave it out/],
  [
    "a chained plugin in a mode without one",
    helm({
      cni: { chainingMode: "portmap", exclusive: false },
      enableIPv4Masquerade: false,
      bpf: { masquerade: false },
    }),
    "helmValues.cni.chainingMode",
    /for Cilium alone/,
    /"chaining" on EKS/,
  ],
  [
    "conntrack left out while netfilter masquerades",
    { bpf: { masquerade: false } },
    "installNoConntrackIptablesRules",
    /netfilter masquerades/,
    /bpf\.masquerade to true/,
  ],
  [
    "the chart's own pool of addresses",
    helm({ ipam: { mode: "cluster-pool" } }),
    "ipam.operator.clusterPoolIPv4PodCIDRList",
    /10\.0\.0\.0\/8/,
    /100\.64\.0\.0\/16/,
  ],
  [
    "a pool that is no network",
    helm({ ipam: { mode: "cluster-pool", operator: { clusterPoolIPv4PodCIDRList: ["10.300.0.0/16"] } } }),
    "helmValues.ipam.operator.clusterPoolIPv4PodCIDRList",
    /not an IPv4 network/,
    /100\.64\.0\.0\/16/,
  ],
  [
    "a pool over the Services' network",
    helm({ ipam: { mode: "cluster-pool", operator: { clusterPoolIPv4PodCIDRList: ["10.96.0.0/16"] } } }),
    "helmValues.ipam.operator.clusterPoolIPv4PodCIDRList",
    /overlaps the Service CIDR/,
    /share no address/,
  ],
];

const nodes: Row[] = [
  ["a pod device that does not exist", { bpf: { datapathMode: "tap" } }, "bpf.datapathMode", /"tap"/, /"veth"/],
  [
    "netkit on an old kernel",
    { bpf: { datapathMode: "netkit" }, minimumKernelVersion: "6.6" },
    "bpf.datapathMode",
    /needs kernel 6\.8/,
    /newer kernel/,
  ],
  [
    "netkit on an unknown kernel",
    { bpf: { datapathMode: "netkit-l2" } },
    "bpf.datapathMode",
    /not known/,
    /minimumKernelVersion/,
  ],
  [
    "netkit with TPROXY",
    { bpf: { datapathMode: "netkit" }, minimumKernelVersion: "6.8", helmValues: { bpf: { tproxy: true } } },
    "helmValues.bpf.tproxy",
    /netkit/,
    /set it to false/,
  ],
  [
    "netkit through the host's stack",
    { bpf: { datapathMode: "netkit", hostLegacyRouting: true }, minimumKernelVersion: "6.8" },
    "bpf.hostLegacyRouting",
    /netkit/,
    /set it to false/,
  ],
  ["a kernel below Cilium's", { minimumKernelVersion: "5.4" }, "minimumKernelVersion", /needs 5\.10/, /newer kernel/],
  [
    "a kernel that is no version",
    { minimumKernelVersion: "latest" },
    "minimumKernelVersion",
    /not a version/,
    /"6\.8"/,
  ],
  [
    "BBR on an old kernel",
    { bandwidthManager: { bbr: true }, minimumKernelVersion: "5.15" },
    "bandwidthManager.bbr",
    /needs kernel 5\.18/,
    /newer kernel/,
  ],
  [
    "BBR without its manager",
    { bandwidthManager: { enabled: false, bbr: true } },
    "bandwidthManager.bbr",
    /enabled is not/,
    /to true/,
  ],
  [
    "BIG TCP with encryption",
    helm({ enableIPv4BIGTCP: true, encryption: { enabled: true } }),
    "helmValues.enableIPv4BIGTCP",
    /encryption/,
    /leave it out/,
  ],
  ["an impossible MTU", { MTU: 576 }, "MTU", /576/, /1280 to 65535/],
  ["a Service map of no entries", { bpf: { lbMapMax: 0 } }, "bpf.lbMapMax", /1024 to 16777216/, /in between/],
  [
    "more NAT than connections",
    helm({ bpf: { natMax: 300000, ctTcpMax: 131072, ctAnyMax: 65536 } }),
    "helmValues.bpf.natMax",
    /refuses to start/,
    /131072 or less/,
  ],
  [
    "maps of more than the memory",
    { bpf: { mapDynamicSizeRatio: 2.5 } },
    "bpf.mapDynamicSizeRatio",
    /part of a node's memory/,
    /0\.0025/,
  ],
  ["no operator", { operator: { replicas: 0 } }, "operator.replicas", /no node becomes ready/, /1 or more/],
  [
    "more operators than nodes",
    { operator: { replicas: 3 }, expected: { services: 1, endpoints: 1, nodes: 2 } },
    "operator.replicas",
    /a node of its own/,
    /use 2/,
  ],
  ["an image that is not pinned", { image: { tag: "latest" } }, "image.tag", /different agents/, /name one version/],
  [
    "a tag that the chart's digest overrules",
    { image: { tag: "v1.20.1" } },
    "image.tag",
    /its own digest/,
    /useDigest to false/,
  ],
  [
    "a taint that is no key",
    { agentNotReadyTaintKey: "not ready" },
    "agentNotReadyTaintKey",
    /not a taint's key/,
    /agent-not-ready/,
  ],
  [
    "defaults of a version to come",
    { upgradeCompatibility: "1.21" },
    "upgradeCompatibility",
    /with version "1\.20\.0"/,
    /installed first/,
  ],
  [
    "defaults of a patch version",
    { upgradeCompatibility: "1.20.0" },
    "upgradeCompatibility",
    /minor version/,
    /"1\.20"/,
  ],
];

const installation: Row[] = [
  [
    "a misspelled value",
    helm({ k8sServicehost: "10.0.0.1" }),
    "helmValues.k8sServicehost",
    /ignore it silently/,
    /did you mean "k8sServiceHost"\?/,
  ],
  [
    "a misspelled value inside another",
    helm({ bpf: { masquerad: true } }),
    "helmValues.bpf.masquerad",
    /ignore it silently/,
    /did you mean "masquerade"\?/,
  ],
  [
    "a value at the wrong place",
    helm({ hostNamespaceOnly: true }),
    "helmValues.hostNamespaceOnly",
    /knows no value/,
    /did you mean "socketLB\.hostNamespaceOnly"\?/,
  ],
  [
    "a flag of the agent's as a value",
    helm({ "bpf-lb-service-map-max": "1" }),
    "helmValues.bpf-lb-service-map-max",
    /knows no value/,
    /extraConfig/,
  ],
  [
    "a misspelled option",
    typed({ routingmode: "native" }),
    "routingmode",
    /ignore it silently/,
    /did you mean "routingMode"\?/,
  ],
  [
    "a text for a flag",
    helm({ hubble: { enabled: "yes" } }),
    "helmValues.hubble.enabled",
    /which is string/,
    /as boolean/,
  ],
  [
    "a typed API server host",
    typed({ k8sServiceHost: "10.0.0.1" }),
    "k8sServiceHost",
    /derived from the cluster/,
    /leave it out/,
  ],
  [
    "a typed API server port",
    helm({ k8sServicePort: 443 }),
    "helmValues.k8sServicePort",
    /derived from the cluster/,
    /leave it out/,
  ],
  [
    "a second road to the API server",
    helm({ k8sServiceHostRef: { name: "a", key: "b" } }),
    "helmValues.k8sServiceHostRef",
    /exclude each other/,
    /leave it out/,
  ],
  ["a range of versions", { version: "^1.20.0" }, "version", /one exact version/, /"1\.20\.0"/],
  ["a version with a v", { version: "v1.20.0" }, "version", /one exact version/, /"1\.20\.0"/],
  [
    "a version before the tuned one",
    { version: "1.19.6", upgradeCompatibility: "1.19" },
    "version",
    /from 1\.20\.0 on/,
    /use "1\.20\.0"/,
  ],
  [
    "a chart by an open line",
    { chartSource: "http://charts.example.com" },
    "chartSource",
    /comes from a repository/,
    /oci:/,
  ],
  [
    "a chart that is not there",
    { chartSource: "./charts/cilium" },
    "chartSource",
    /no such folder/,
    /path of the unpacked chart/,
  ],
  [
    "a folder without a chart",
    { chartSource: "components" },
    "chartSource",
    /no Chart\.yaml/,
    /the chart's own folder/,
  ],
  [
    "a chart of another version",
    { chartSource: "agent/chart" },
    "chartSource",
    /and version is "1\.20\.0"/,
    /make them agree/,
  ],
  ["a mode of another platform", { mode: "overlay" }, "mode", /"native", "tunnel"/, /use one of these/],
  ["a misspelled mode", { mode: "nativ" }, "mode", /"native", "tunnel"/, /did you mean "native"\?/],
];

const sizing: Row[] = [
  [
    "fewer than no Services",
    { expected: { services: -1, endpoints: 0 } },
    "expected.services",
    /not a number of things/,
    /0 or more/,
  ],
  [
    "more exposed Services than Services",
    { expected: { services: 1, endpoints: 1, exposedServices: 2 } },
    "expected.exposedServices",
    /more than all 1/,
    /expected\.services/,
  ],
  [
    "more frontends than ids",
    { mode: "tunnel", expected: { services: 20000, endpoints: 20000, exposedServices: 20000 } },
    "expected.services",
    /ids for 65535/,
    /engine "agent"/,
  ],
  [
    "a Service map that is too small",
    { expected: crowd, bpf: { lbMapMax: 65536 } },
    "bpf.lbMapMax",
    /need 110000 entries/,
    /set it to 262144/,
  ],
  [
    "more endpoints than any map holds",
    { expected: { services: 100, endpoints: 20_000_000, nodeMemoryMib: 262144 } },
    "expected.endpoints",
    /16777216 at most/,
    /engine "agent"/,
  ],
  [
    "maps over their budget",
    { expected: { ...crowd, mapMemoryBudgetMib: 64 } },
    "expected.mapMemoryBudgetMib",
    /would take \d+ MiB/,
    /raise it/,
  ],
  [
    "Maglev tables over the budget",
    { expected: { services: 10000, endpoints: 10000, exposedServices: 10000, nodeMemoryMib: 4096 } },
    "expected.mapMemoryBudgetMib",
    /"Maglev tables"/,
    /lower maglev\.tableSize/,
  ],
];

/** The table. */
export const wrongConfigurations: readonly Wrong[] = [
  ...on("bare-metal", [...serving, ...routing, ...nodes, ...installation, ...sizing]),
  ...on(
    "bare-metal",
    [
      [
        "DSR through a tunnel",
        { loadBalancer: { mode: "dsr" } },
        "loadBalancer.mode",
        /through a tunnel/,
        /set it to "snat"/,
      ],
      [
        "conntrack left out in a tunnel",
        { installNoConntrackIptablesRules: true },
        "installNoConntrackIptablesRules",
        /through a tunnel/,
        /set it to false/,
      ],
      ["a tunnel that does not exist", { tunnelProtocol: "gre" }, "tunnelProtocol", /"gre"/, /"vxlan" or "geneve"/],
      [
        "BIG TCP in a tunnel",
        helm({ enableIPv6BIGTCP: true }),
        "helmValues.enableIPv6BIGTCP",
        /tunnel/,
        /routingMode to "native"/,
      ],
      [
        "direct routes between segments",
        { routingMode: "native", autoDirectNodeRoutes: true, ipv4NativeRoutingCIDR: "10.244.0.0/16" },
        "autoDirectNodeRoutes",
        /do not share a network segment/,
        /set it to false/,
      ],
      [
        "native mode between segments",
        { mode: "native", autoDirectNodeRoutes: false },
        "mode",
        /do not share a network segment/,
        /use "tunnel"/,
      ],
    ],
    { capabilities: segments },
  ),
  ...on("eks", [
    [
      "BPF masquerade without masquerading",
      { bpf: { masquerade: true } },
      "bpf.masquerade",
      /refuses to start/,
      /enableIPv4Masquerade to true/,
    ],
    ["IPv6 on AWS' interfaces", { ipv6: { enabled: true } }, "ipv6.enabled", /IPv4 only/, /mode "overlay"/],
    [
      "a tunnel for AWS' addresses",
      { routingMode: "tunnel" },
      "routingMode",
      /the cloud's own network/,
      /mode "overlay"/,
    ],
    [
      "pod networks that AWS does not give",
      { mode: "overlay", ipam: { mode: "kubernetes" } },
      "ipam.mode",
      /in mode "overlay"/,
      /leave it out/,
    ],
    [
      "an interface mode without its addresses",
      { eni: { enabled: false } },
      "eni.enabled",
      /go together/,
      /leave it out/,
    ],
    [
      "DSR by IP option in a cloud",
      { loadBalancer: { mode: "dsr" } },
      "loadBalancer.mode",
      /a cloud's network drops/,
      /"snat"/,
    ],
    [
      "conntrack left out in a managed cluster",
      { installNoConntrackIptablesRules: true },
      "installNoConntrackIptablesRules",
      /managed or chained/,
      /leave it out/,
    ],
    [
      "an exclusive plugin in a chain",
      { mode: "chaining", cni: { exclusive: true } },
      "cni.exclusive",
      /out of the way/,
      /set it to false/,
    ],
    [
      "a masquerade in a chain",
      { mode: "chaining", enableIPv4Masquerade: true },
      "enableIPv4Masquerade",
      /masquerades itself/,
      /set it to false/,
    ],
    [
      "a BPF masquerade in a chain",
      { mode: "chaining", bpf: { masquerade: true } },
      "bpf.masquerade",
      /masquerades itself/,
      /set it to false/,
    ],
    [
      "a chain to no plugin",
      { mode: "chaining", ...helm({ cni: { chainingMode: "none" } }) },
      "helmValues.cni.chainingMode",
      /in mode "chaining"/,
      /"aws-cni"/,
    ],
    [
      "a health port that no cloud asks",
      { kubeProxyReplacementHealthzBindAddr: "0.0.0.0:10250" },
      "kubeProxyReplacementHealthzBindAddr",
      /port 10256/,
      /leave it out/,
    ],
    ["a misspelled cloud mode", { mode: "eni-masquerade" }, "mode", /"chaining"/, /did you mean "eni-masquerading"\?/],
  ]),
  ...on("eks", [["Auto Mode or Fargate", {}, "engine", /admits no other/, /leave Datapath out/]], {
    capabilities: fixed,
  }),
  ...on("gke", [
    [
      "XDP on Google's machines",
      { loadBalancer: { acceleration: "native" } },
      "loadBalancer.acceleration",
      /no device/,
      /"disabled"/,
    ],
    [
      "plugins where GKE does not look",
      { cni: { binPath: "/opt/cni/bin" } },
      "cni.binPath",
      /\/home\/kubernetes\/bin/,
      /leave it out/,
    ],
    [
      "GKE's routing turned off",
      helm({ gke: { enabled: false } }),
      "helmValues.gke.enabled",
      /not true on GKE/,
      /leave it out/,
    ],
  ]),
  ...on("gke", [["Dataplane V2", {}, "engine", /admits no other/, /leave Datapath out/]], { capabilities: fixed }),
  ...on("gke", [["a platform without values", {}, "cluster.platform", /"aks"/, /bare-metal, eks and gke/]], {
    platform: "aks",
  }),
  ...on(
    "bare-metal",
    [["no API server host", {}, "cluster.apiServerHost", /wait for each other/, /give the address/]],
    { apiServerHost: "" },
  ),
  ...on(
    "bare-metal",
    [
      [
        "an API server host to be looked up",
        {},
        "cluster.apiServerHost",
        /cannot be previewed/,
        /give the address itself/,
      ],
    ],
    { apiServerHost: "auto" },
  ),
  ...on("bare-metal", [["a URL for a host", {}, "cluster.apiServerHost", /https/, /the host alone/]], {
    apiServerHost: "https://10.0.0.1:6443",
  }),
  ...on(
    "bare-metal",
    [["a Service for the API server", {}, "cluster.apiServerHost", /an address of a Service/, /own address/]],
    { apiServerHost: "10.96.0.1" },
  ),
  ...on("bare-metal", [["a port that is none", {}, "cluster.apiServerPort", /70000/, /1 to 65535/]], {
    apiServerPort: 70000,
  }),
];
