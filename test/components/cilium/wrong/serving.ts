// SPDX-License-Identifier: Apache-2.0
// Wrong choices of how Services are served.

import { helm, on, type Row, type Wrong } from "./row.ts";

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
  [
    "an address without its prefix for NodePorts",
    { nodePort: { addresses: ["192.168.11.5"] } },
    "nodePort.addresses[0]",
    /"192\.168\.11\.5", which is not a network/,
    /for one address/,
  ],
];

export const servingConfigurations: readonly Wrong[] = [...on("bare-metal", serving)];
