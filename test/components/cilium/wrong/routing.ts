// SPDX-License-Identifier: Apache-2.0
// Wrong choices of how packets are routed, directly and through a tunnel, and of where addresses come from.

import { helm, on, type Row, type Wrong } from "./row.ts";

const segments = { podCidrPerNode: true, nativeRouting: false, ownsCni: false };

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

export const routingConfigurations: readonly Wrong[] = [
  ...on("bare-metal", routing),
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
];
