// SPDX-License-Identifier: Apache-2.0
// The one data type every cluster component produces and every other component accepts.

import type * as pulumi from "@pulumi/pulumi";

/** A node of the cluster, as the cluster's own API names it. */
export interface KubernetesNode {
  /** Name of the Node object. */
  name: string;
  /** Address at which the other nodes reach it. */
  address: string;
  /** `control-plane` or `worker`. */
  role: string;
}

/** A group of alike nodes, to which the platform gives names. */
export interface KubernetesNodeGroup {
  /** Name of the group. */
  name: string;
  /** Version of Kubernetes on its nodes. */
  version: string;
  /** Nodes that it always has. */
  minSize: number;
}

/** What the cluster's platform offers a datapath. */
export interface KubernetesClusterCapabilities {
  /** Every Node has a `spec.podCIDR` of its own. */
  podCidrPerNode: boolean;
  /** Nodes reach each other on one network segment, so that pod traffic needs no tunnel. */
  nativeRouting: boolean;
  /** The platform brings its own CNI plugin. */
  ownsCni: boolean;
  /**
   * The platform runs the nodes with a datapath of its own that cannot be replaced: EKS Auto Mode and Fargate, GKE Autopilot
   * and Dataplane V2.
   * @default false
   */
  fixedDatapath?: boolean;
  /**
   * The datapath for which the cluster was made: EKS `eni`, `chaining`, `overlay` or `agent`; GKE `self-managed` or
   * `dataplane-v2`. Another one is refused.
   * @default whatever the platform allows
   */
  mode?: string;
}

/** A Kubernetes cluster without kube-proxy, as data. */
export interface KubernetesCluster {
  /** Name of the cluster. */
  name: string;
  /**
   * Tells the cluster from one of the same name that replaces it: what lives inside is then made anew.
   * @default the name
   */
  identifier?: pulumi.Input<string>;
  /** `bare-metal`, `eks` or `gke`. */
  platform: string;
  /** Version of the control plane, such as `v1.36.3`. */
  kubernetesVersion: pulumi.Input<string>;
  /** Administrator's kubeconfig; known when the control plane answers, before any worker has joined. Secret. */
  kubeconfig: pulumi.Input<string>;
  /** Host of the API server as a node reaches it with no Service routing. */
  apiServerHost: pulumi.Input<string>;
  /** Port of the API server as a node reaches it with no Service routing. */
  apiServerPort: pulumi.Input<number>;
  /** Networks of the pods, one per address family. */
  podCidrs: pulumi.Input<string[]>;
  /** Networks of the Services, one per address family. */
  serviceCidrs: pulumi.Input<string[]>;
  /** All nodes; known only when every one of them has joined. */
  nodes: pulumi.Input<KubernetesNode[]>;
  /**
   * Groups of nodes whose names only the platform knows; known when their nodes are Ready.
   * @default none
   */
  nodeGroups?: pulumi.Input<KubernetesNodeGroup[]>;
  /** What the platform offers a datapath. */
  capabilities: KubernetesClusterCapabilities;
}
