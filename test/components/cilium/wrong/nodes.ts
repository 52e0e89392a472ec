// SPDX-License-Identifier: Apache-2.0
// Wrong choices about the nodes: kernels, devices, maps, the agent's and the operator's Pods.

import { helm, on, type Row, type Wrong } from "./row.ts";

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

export const nodesConfigurations: readonly Wrong[] = [...on("bare-metal", nodes)];
