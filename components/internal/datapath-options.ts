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
}

/** What is done by BPF instead of netfilter. */
export interface BpfOptions {
  /**
   * Masquerade pods' traffic that leaves the cluster.
   * @default true
   */
  masquerade?: pulumi.Input<boolean>;
}

/** Where pod addresses come from. */
export interface IpamOptions {
  /**
   * `kubernetes`: from each Node's `spec.podCIDR`.
   * @default "kubernetes"
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
   * `native`: pods' packets travel between nodes as they are.
   * @default "native"
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
   * Masquerade IPv4 traffic of pods that leaves the cluster.
   * @default true
   */
  enableIPv4Masquerade?: pulumi.Input<boolean>;
  /**
   * Network devices that face the outside, separated by blanks.
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
  /** The agent's image. */
  image?: ImageOptions;
}
