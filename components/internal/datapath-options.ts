// SPDX-License-Identifier: Apache-2.0
// The options of a datapath, in the vocabulary of Cilium's chart values.

import type * as pulumi from "@pulumi/pulumi";

/** Service translation at the socket. */
export interface SocketLbOptions {
  /**
   * Translate Service addresses when a program connects, so that no packet needs it.
   * @default true
   */
  enabled?: pulumi.Input<boolean>;
  /**
   * Translate at the socket on the host only, and in packets for pods, as Istio, KubeVirt, Kata and gVisor need it. Cilium only.
   * @default false
   */
  hostNamespaceOnly?: pulumi.Input<boolean>;
}

/** What is done by BPF instead of netfilter. */
export interface BpfOptions {
  /**
   * Masquerade pods' traffic that leaves the cluster.
   * @default true, but false where the mode masquerades nothing (`eni`, `chaining`)
   */
  masquerade?: pulumi.Input<boolean>;
  /**
   * Send pods' packets through the host's network stack. Cilium only.
   * @default false
   */
  hostLegacyRouting?: pulumi.Input<boolean>;
  /**
   * Pods' devices: `veth`, `netkit`, `netkit-l2` or `auto`; netkit needs kernel 6.8. Cilium only.
   * @default "veth"
   */
  datapathMode?: pulumi.Input<string>;
  /**
   * Entries in each of the Service maps. Cilium only.
   * @default what `expected` needs, and 65536 at least
   */
  lbMapMax?: pulumi.Input<number>;
  /**
   * Part of a node's memory, 0 to 1: Cilium sizes its maps of connections by it; the agent's maps of Services, and those of
   * connections, may grow to it.
   * @default 0.0025 for Cilium, 0.02 for the agent
   */
  mapDynamicSizeRatio?: pulumi.Input<number>;
  /**
   * Take the memory of all maps at the start, for less latency. Cilium only.
   * @default false
   */
  preallocateMaps?: pulumi.Input<boolean>;
}

/** How Services' traffic is spread and sent. */
export interface LoadBalancerOptions {
  /**
   * `snat`: answers come back through the node that was asked; `dsr`: they go to the client directly; `hybrid`: DSR for TCP.
   * The agent's DSR needs Maglev and `autoDirectNodeRoutes`.
   * @default "snat", and for Cilium in mode `native` "dsr"
   */
  mode?: pulumi.Input<string>;
  /**
   * `random` or `maglev`.
   * @default "random", and for Cilium in mode `native` "maglev"
   */
  algorithm?: pulumi.Input<string>;
  /**
   * Forward by XDP what only passes a node: `disabled`, `best-effort` (on devices whose driver can) or `native` (on all).
   * @default Cilium in mode `native`: "best-effort"; else "disabled"
   */
  acceleration?: pulumi.Input<string>;
  /**
   * How DSR tells a backend the Service's address: `opt` (IP option), `geneve` or `ipip`. Cilium only.
   * @default "opt"
   */
  dsrDispatch?: pulumi.Input<string>;
  /**
   * Respect topology hints and `trafficDistribution`, as kube-proxy does. Cilium only: the agent always does.
   * @default true
   */
  serviceTopology?: pulumi.Input<boolean>;
}

/** Maglev's tables. */
export interface MaglevOptions {
  /**
   * Entries of a table: 251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521 or, Cilium only, 131071.
   * @default 16381
   */
  tableSize?: pulumi.Input<number>;
}

/** Pods' egress bandwidth. Cilium only. */
export interface BandwidthManagerOptions {
  /** @default true in mode `native`, else false */
  enabled?: pulumi.Input<boolean>;
  /**
   * BBR for pods; needs kernel 5.18.
   * @default false
   */
  bbr?: pulumi.Input<boolean>;
}

/** AWS' network interfaces. Cilium only. */
export interface EniOptions {
  /** @default true in modes `eni` and `eni-masquerading` */
  enabled?: pulumi.Input<boolean>;
  /**
   * Give nodes prefixes of 16 addresses; only for nodes that join later.
   * @default false
   */
  awsEnablePrefixDelegation?: pulumi.Input<boolean>;
}

/** A part of Cilium that is on or off. */
export interface SwitchOptions {
  /** @default false */
  enabled?: pulumi.Input<boolean>;
}

/** Cilium's operator. */
export interface OperatorOptions {
  /**
   * Replicas, each on a node of its own.
   * @default 2, and 1 when one node is expected
   */
  replicas?: pulumi.Input<number>;
}

/** Where pod addresses come from. */
export interface IpamOptions {
  /**
   * `kubernetes`: from each Node's `spec.podCIDR`; Cilium also `eni` and `cluster-pool`.
   * @default "kubernetes", and for Cilium what its mode needs
   */
  mode?: pulumi.Input<string>;
}

/** NodePort. */
export interface NodePortOptions {
  /**
   * First and last port, as the API server's `--service-node-port-range` says.
   * @default "30000,32767"
   */
  range?: pulumi.Input<string>;
  /**
   * Networks such as `192.168.10.0/24`: NodePorts are served at the nodes' own addresses in one of them, and at no others.
   * A family without a network here has no NodePorts.
   * @default [], all addresses of the nodes; for Cilium one of each device and family
   */
  addresses?: pulumi.Input<pulumi.Input<string>[]>;
}

/** The node's CNI configuration. */
export interface CniOptions {
  /**
   * Write the CNI configuration.
   * @default true where the platform brings no CNI plugin
   */
  install?: pulumi.Input<boolean>;
  /**
   * Folder of CNI configurations on a node.
   * @default the chart's
   */
  confPath?: pulumi.Input<string>;
  /**
   * Folder of CNI plugins on a node.
   * @default the chart's
   */
  binPath?: pulumi.Input<string>;
  /**
   * Put other plugins' configurations out of the way. Cilium only.
   * @default true, and false in mode `chaining`
   */
  exclusive?: pulumi.Input<boolean>;
}

/** A ServiceMonitor for Prometheus Operator. */
export interface ServiceMonitorOptions {
  /**
   * Create it; the Operator's CRDs have to be in the cluster before.
   * @default false
   */
  enabled?: pulumi.Input<boolean>;
  /**
   * Labels that the Prometheus resource selects by, such as `release: kube-prometheus-stack`.
   * @default none
   */
  labels?: pulumi.Input<{ [key: string]: pulumi.Input<string> }>;
  /**
   * How often the agents are asked, with its unit.
   * @default "10s"
   */
  interval?: pulumi.Input<string>;
}

/** The alerts about the agents, as a PrometheusRule. */
export interface AlertRulesOptions {
  /**
   * Create it; the Operator's CRDs have to be in the cluster before.
   * @default false
   */
  enabled?: pulumi.Input<boolean>;
  /**
   * Labels that the Prometheus resource selects by.
   * @default none
   */
  labels?: pulumi.Input<{ [key: string]: pulumi.Input<string> }>;
}

/** How Prometheus finds the agents and their alerts. */
export interface PrometheusOptions {
  /**
   * Mark the agents' Pods by annotations (`prometheus.io/scrape`); Cilium serves no metrics without it.
   * @default true, and for Cilium false
   */
  enabled?: pulumi.Input<boolean>;
  /** A ServiceMonitor for Prometheus Operator. */
  serviceMonitor?: ServiceMonitorOptions;
  /** The alerts about the agents. Agent only. */
  rules?: AlertRulesOptions;
}

/** The Grafana dashboard, as a ConfigMap for Grafana's sidecar. */
export interface DashboardsOptions {
  /** @default false */
  enabled?: pulumi.Input<boolean>;
  /**
   * Label that the sidecar looks for.
   * @default "grafana_dashboard"
   */
  label?: pulumi.Input<string>;
  /** @default "1" */
  labelValue?: pulumi.Input<string>;
  /**
   * Namespace in which the sidecar looks.
   * @default the datapath's
   */
  namespace?: pulumi.Input<string>;
  /**
   * Annotations of the ConfigMap, such as `grafana_folder`.
   * @default none
   */
  annotations?: pulumi.Input<{ [key: string]: pulumi.Input<string> }>;
}

/** The agent's image. */
export interface ImageOptions {
  /** @default the chart's */
  repository?: pulumi.Input<string>;
  /** @default the version of this package */
  tag?: pulumi.Input<string>;
  /** @default "IfNotPresent" */
  pullPolicy?: pulumi.Input<string>;
}

/** Everything about a datapath that can be chosen. */
export interface DatapathOptions {
  /**
   * Serve Services without kube-proxy; nothing else is possible here.
   * @default true
   */
  kubeProxyReplacement?: pulumi.Input<boolean>;
  /** Service translation at the socket. */
  socketLB?: SocketLbOptions;
  /** What is done by BPF instead of netfilter. */
  bpf?: BpfOptions;
  /** Where pod addresses come from. */
  ipam?: IpamOptions;
  /**
   * `native`: pods' packets travel between nodes as they are; Cilium also `tunnel`.
   * @default "native", and for Cilium what its mode needs
   */
  routingMode?: pulumi.Input<string>;
  /**
   * Route every other node's pod network directly; the nodes have to be on one network segment.
   * @default true where the platform's nodes are
   */
  autoDirectNodeRoutes?: pulumi.Input<boolean>;
  /**
   * Network to which pods' traffic is not masqueraded.
   * @default the cluster's IPv4 pod CIDR
   */
  ipv4NativeRoutingCIDR?: pulumi.Input<string>;
  /**
   * Network to which pods' IPv6 traffic is not masqueraded.
   * @default the cluster's IPv6 pod CIDR
   */
  ipv6NativeRoutingCIDR?: pulumi.Input<string>;
  /**
   * Masquerade IPv4 traffic of pods that leaves the cluster.
   * @default true, but false in Cilium's modes `eni` and `chaining`
   */
  enableIPv4Masquerade?: pulumi.Input<boolean>;
  /**
   * Masquerade IPv6 traffic of pods that leaves the cluster.
   * @default true where pods have IPv6 addresses
   */
  enableIPv6Masquerade?: pulumi.Input<boolean>;
  /**
   * Network devices that face the outside, separated by blanks (Cilium: by commas).
   * @default the device of the default route and of the Node's address
   */
  devices?: pulumi.Input<string>;
  /** NodePort. */
  nodePort?: NodePortOptions;
  /**
   * Where the agent answers health checks, such as those of a cloud's load balancer.
   * @default "0.0.0.0:10256"
   */
  kubeProxyReplacementHealthzBindAddr?: pulumi.Input<string>;
  /** The node's CNI configuration. */
  cni?: CniOptions;
  /** How Prometheus finds the agents and their alerts. */
  prometheus?: PrometheusOptions;
  /** The Grafana dashboard. */
  dashboards?: DashboardsOptions;
  /** The agent's image. */
  image?: ImageOptions;
  /** How Services' traffic is spread and sent. */
  loadBalancer?: LoadBalancerOptions;
  /** Maglev's tables. */
  maglev?: MaglevOptions;
  /**
   * `vxlan` or `geneve`. Cilium only.
   * @default "vxlan" in modes `tunnel` and `overlay`
   */
  tunnelProtocol?: pulumi.Input<string>;
  /**
   * Keep pods' traffic out of netfilter's connection tracking. Cilium only.
   * @default true in mode `native`, else false
   */
  installNoConntrackIptablesRules?: pulumi.Input<boolean>;
  /** Pods' egress bandwidth. Cilium only. */
  bandwidthManager?: BandwidthManagerOptions;
  /**
   * Bytes of the largest packet on the nodes' network; 0 finds it out. Cilium only.
   * @default 0
   */
  MTU?: pulumi.Input<number>;
  /** IPv6. Cilium only. */
  ipv6?: SwitchOptions;
  /** AWS' network interfaces. Cilium only. */
  eni?: EniOptions;
  /** Gateway API, served by Cilium's Envoy. Cilium only. */
  gatewayAPI?: SwitchOptions;
  /** Cilium's operator. */
  operator?: OperatorOptions;
  /**
   * Minor version whose defaults stay in force: the one that was installed first. Cilium only.
   * @default "1.20"
   */
  upgradeCompatibility?: pulumi.Input<string>;
  /**
   * Key of the taint that nodes are born with and that Cilium removes. Cilium only.
   * @default "node.cilium.io/agent-not-ready"
   */
  agentNotReadyTaintKey?: pulumi.Input<string>;
}

/** What the cluster will hold, for the size of Cilium's maps. */
export interface ExpectedLoad {
  /** Services of all types. */
  services: pulumi.Input<number>;
  /** Endpoints of all Services together: a pod behind two Services counts twice. */
  endpoints: pulumi.Input<number>;
  /**
   * Ports of a Service, on average.
   * @default 1
   */
  portsPerService?: pulumi.Input<number>;
  /**
   * How many of the Services are of type NodePort or LoadBalancer.
   * @default 0
   */
  exposedServices?: pulumi.Input<number>;
  /**
   * Addresses of one node on which NodePorts answer.
   * @default 1
   */
  addressesPerNode?: pulumi.Input<number>;
  /**
   * Nodes.
   * @default unknown
   */
  nodes?: pulumi.Input<number>;
  /**
   * Memory of the smallest node, in MiB.
   * @default 8192
   */
  nodeMemoryMib?: pulumi.Input<number>;
  /**
   * Memory, in MiB, that the maps may take on a node.
   * @default a quarter of nodeMemoryMib
   */
  mapMemoryBudgetMib?: pulumi.Input<number>;
}
