// SPDX-License-Identifier: Apache-2.0
// Says, for every value of a datapath, what a change of it does to traffic: the reviewed table that `sansproxy review` quotes.

/** What happens to traffic, least first: each includes what the ones before it do. */
export const effects = ["none", "new-flows", "flows-reset", "node-restart"] as const;

/** One of them. */
export type Effect = (typeof effects)[number];

/** The effect of a change, and the reason as a sentence without its full stop. */
export interface ValueEffect {
  readonly effect: Effect;
  readonly why: string;
}

type Row = readonly [key: string, effect: Effect, why: string];

/** A row holds for its key and for every key below it, unless one below has a row of its own. */
const rows: readonly Row[] = [
  ["kubeProxyReplacement", "flows-reset", "without it nobody serves Services, for there is no kube-proxy"],
  [
    "k8sServiceHost",
    "none",
    "agents restart and reach the API server at the new address; a wrong one keeps them from starting, and what is served stays as it is",
  ],
  ["k8sServiceHostRef", "none", "agents restart and take the API server's address from there"],
  ["k8sServicePort", "none", "agents restart and reach the API server at the new port"],
  ["kubeProxyReplacementHealthzBindAddr", "new-flows", "load balancers ask there whether a node may get connections"],
  ["metricsBindAddress", "none", "metrics and kube-proxy's status answer elsewhere"],
  ["socketLB", "new-flows", "a connection is translated when it is made, and keeps what it got"],
  [
    "loadBalancer.algorithm",
    "new-flows",
    "a known connection keeps its backend, and new ones are spread by the other rule",
  ],
  [
    "loadBalancer.mode",
    "flows-reset",
    "answers to clients outside take another way in the middle of their connections, or come to nodes that have not changed yet",
  ],
  [
    "loadBalancer.dsrDispatch",
    "flows-reset",
    "a backend no longer understands what the other nodes tell it about a client's connection",
  ],
  [
    "loadBalancer.acceleration",
    "flows-reset",
    "a driver that gets or loses an XDP program makes its queues anew, and packets are lost meanwhile",
  ],
  ["loadBalancer.serviceTopology", "new-flows", "only new connections are kept in their zone"],
  ["loadBalancer", "new-flows", "backends of new connections are chosen in another way"],
  [
    "maglev",
    "new-flows",
    "tables are computed anew: a connection that another node takes over may find another backend",
  ],
  ["bpf.masquerade", "flows-reset", "connections of pods to the outside lose the address and port that they left with"],
  [
    "bpf.hostLegacyRouting",
    "flows-reset",
    "packets of established connections begin or stop passing netfilter, which drops what it has not seen begin",
  ],
  ["bpf.datapathMode", "node-restart", "a pod keeps the device that it was born with: drain the nodes one by one"],
  ["bpf.lbMapMax", "flows-reset", "the Service maps are made anew and filled again"],
  ["bpf.mapDynamicSizeRatio", "flows-reset", "the maps of connections are made anew, and empty"],
  ["bpf.ctTcpMax", "flows-reset", "the map of TCP connections is made anew, and empty"],
  ["bpf.ctAnyMax", "flows-reset", "the map of other connections is made anew, and empty"],
  ["bpf.natMax", "flows-reset", "the map of translated connections is made anew, and empty"],
  ["bpf.neighMax", "flows-reset", "the map of neighbours is made anew, and empty"],
  ["bpf.preallocateMaps", "flows-reset", "maps are made anew, and those of connections are empty"],
  ["bpf.root", "flows-reset", "programs and maps are pinned elsewhere: the new ones know no connection"],
  ["enableIPv4Masquerade", "flows-reset", "connections of pods to the outside begin or cease to be translated"],
  ["enableIPv6Masquerade", "flows-reset", "connections of pods to the outside begin or cease to be translated"],
  [
    "egressMasqueradeInterfaces",
    "flows-reset",
    "connections on an interface that comes or goes begin or cease to be translated",
  ],
  [
    "ipv4NativeRoutingCIDR",
    "flows-reset",
    "connections to addresses that enter or leave the network begin or cease to be translated",
  ],
  [
    "ipv6NativeRoutingCIDR",
    "flows-reset",
    "connections to addresses that enter or leave the network begin or cease to be translated",
  ],
  [
    "ipMasqAgent",
    "flows-reset",
    "connections to addresses that enter or leave the networks begin or cease to be translated",
  ],
  [
    "routingMode",
    "flows-reset",
    "while the rollout lasts, nodes of the one kind do not reach pods on nodes of the other",
  ],
  [
    "tunnelProtocol",
    "flows-reset",
    "while the rollout lasts, nodes of the one kind do not reach pods on nodes of the other",
  ],
  ["autoDirectNodeRoutes", "flows-reset", "routes between the nodes' pods come or go"],
  ["endpointRoutes", "flows-reset", "packets to pods take another way in the middle of their connections"],
  [
    "MTU",
    "node-restart",
    "a pod keeps the packet size that it was born with, and larger ones are lost: drain the nodes one by one",
  ],
  [
    "installNoConntrackIptablesRules",
    "flows-reset",
    "packets of established connections begin or stop being tracked by netfilter",
  ],
  ["bandwidthManager.bbr", "new-flows", "a socket keeps the congestion control that it was opened with"],
  ["bandwidthManager", "none", "packets are queued in another way, and pods' bandwidth limits begin or cease to hold"],
  ["devices", "flows-reset", "Services are no longer answered on a device that leaves the list"],
  [
    "nodePort.bindProtection",
    "none",
    "programs on a node may or may not bind a port that a NodePort has; no connection is touched",
  ],
  ["nodePort.addresses", "flows-reset", "a NodePort is no longer served at an address that is left out"],
  ["nodePort.range", "flows-reset", "a NodePort outside of the new range is no longer served"],
  ["ipam", "node-restart", "pods keep addresses that the new allocator does not know: replace the nodes, one by one"],
  [
    "eni.gcTags",
    "none",
    "interfaces that are made later carry these tags, and those that no machine has any more are collected by them",
  ],
  ["eni", "node-restart", "only nodes that join later get addresses in the new way: replace the nodes, one by one"],
  ["gke", "node-restart", "devices and routes of pods are made in another way: replace the nodes, one by one"],
  [
    "cni.chainingMode",
    "node-restart",
    "pods keep the network that another plugin gave them: replace the nodes, one by one",
  ],
  ["cni", "none", "only pods that are created later are affected; with a wrong folder they get no network"],
  ["cgroup", "new-flows", "connections are translated for the processes below the new root"],
  ["ipv6", "node-restart", "pods get the other address family when they are created: drain the nodes one by one"],
  ["gatewayAPI", "none", "Gateways begin or cease to be served; Services are not touched"],
  [
    "encryption",
    "flows-reset",
    "while the rollout lasts, nodes that encrypt and nodes that do not drop each other's packets",
  ],
  ["l7Proxy", "flows-reset", "connections through the proxy are cut"],
  ["envoy", "flows-reset", "connections through the proxy are cut when it restarts"],
  ["upgradeCompatibility", "flows-reset", "defaults of another minor version come into force, whichever they are"],
  [
    "agentNotReadyTaintKey",
    "none",
    "only nodes that join later carry the taint; their node groups have to name the same",
  ],
  ["k8s", "none", "agents restart and wait for the same of their Node as before"],
  ["operator", "none", "the operator restarts; it carries no traffic"],
  ["hubble", "none", "flows are observed in another way"],
  ["image", "none", "agents restart one by one; programs and maps stay in the kernel and go on serving"],
  ["rollOutCiliumPods", "none", "it decides only whether agents restart when values change"],
  ["debug", "none", "more or less is logged"],
  ["resources", "none", "agents restart with other limits"],
  ["prometheus.enabled", "none", "agents restart with or without the annotations; metrics are offered all the same"],
  ["prometheus.serviceMonitor", "none", "a Prometheus Operator begins, ceases or changes how it asks the agents"],
  ["prometheus.rules", "none", "alerts come, go or are selected by other labels"],
  ["prometheus", "none", "metrics are offered in another way"],
  ["dashboards", "none", "dashboards come, go or are found by another label"],
  ["tolerations", "none", "agents are placed on other nodes; a node that loses its agent keeps serving what it knew"],
  ["priorityClassName", "none", "agents are evicted earlier or later"],
  ["podAnnotations", "none", "agents restart"],
  ["updateStrategy", "none", "agents restart in another rhythm"],
];

const byKey: ReadonlyMap<string, ValueEffect> = new Map(rows.map(([key, effect, why]) => [key, { effect, why }]));

/** The keys that have a row. */
export const reviewedKeys: readonly string[] = [...byKey.keys()];

/** What nobody has looked at may do anything short of needing new nodes. */
const notReviewed: ValueEffect = {
  effect: "flows-reset",
  why: "nobody has reviewed this value here: take the worst that an agent's restart with other settings can do",
};

/** What a change of the value at a dotted path does. */
export function effectOf(path: string): ValueEffect {
  const parts = path.split(".");
  for (let length = parts.length; length > 0; length--) {
    const found = byKey.get(parts.slice(0, length).join("."));
    if (found !== undefined) return found;
  }
  return notReviewed;
}

/** What a chart does of which no more is known than that it is another one. */
export const otherChart: ValueEffect = {
  effect: "flows-reset",
  why: "the chart is another one, and its version is not known here: take the worst that another version can do",
};

/** What another version of a chart does. */
export function versionEffect(before: string, after: string): ValueEffect {
  const minor = (version: string): string => version.replace(/^v/, "").split(".").slice(0, 2).join(".");
  return minor(before) === minor(after)
    ? { effect: "new-flows", why: "agents restart one by one with a patched program; what is established goes on" }
    : {
        effect: "flows-reset",
        why: "a minor version may give maps another layout, and connections through the proxy are cut",
      };
}

/** The greater of two. */
export function worse(a: Effect, b: Effect): Effect {
  return effects.indexOf(a) >= effects.indexOf(b) ? a : b;
}
