// SPDX-License-Identifier: Apache-2.0
// The inputs of GkeNodePools, as its users write them.

import type * as pulumi from "@pulumi/pulumi";
import type { KubernetesCluster } from "../../kubernetes-cluster.ts";
import type { NodeTaintArgs } from "../cloud/taints.ts";

/** A pool of alike nodes. */
export interface GkeNodePoolArgs {
  /** Name of the pool; another name is another pool. */
  name: string;
  /**
   * Type of machine.
   * @default "e2-standard-4"
   */
  machineType?: string;
  /**
   * Image of the machines: `COS_CONTAINERD` or `UBUNTU_CONTAINERD`.
   * @default "COS_CONTAINERD"
   */
  imageType?: string;
  /**
   * Nodes at least; of a regional cluster, in each zone.
   * @default 1
   */
  minSize?: number;
  /**
   * Nodes at first; of a regional cluster, in each zone. The autoscaler may change the number later.
   * @default 1
   */
  desiredSize?: number;
  /**
   * Nodes at most; of a regional cluster, in each zone.
   * @default 3, or desiredSize where that is more
   */
  maxSize?: number;
  /**
   * Disk of a node, in GiB.
   * @default 100
   */
  diskSizeGib?: number;
  /**
   * Labels of the Nodes.
   * @default {}
   */
  labels?: { [key: string]: pulumi.Input<string> };
  /**
   * Taints, besides the one that keeps pods away until the datapath serves.
   * @default []
   */
  taints?: NodeTaintArgs[];
}

/** Inputs of GkeNodePools. */
export interface GkeNodePoolsArgs {
  /** The cluster of a GkeCluster. */
  cluster: KubernetesCluster;
  /** `clusterName` of the GkeCluster. */
  clusterName: pulumi.Input<string>;
  /** `location` of the GkeCluster. */
  location: pulumi.Input<string>;
  /**
   * Project.
   * @default the provider's
   */
  project?: string;
  /** `releaseName` of the Datapath: nodes are made after it is installed. Mode `self-managed` only, and needed there. */
  datapath?: pulumi.Input<string>;
  /** The pools. */
  pools: GkeNodePoolArgs[];
  /**
   * Key of the taint that Cilium removes, as `agentNotReadyTaintKey` of the Datapath says.
   * @default "node.cilium.io/agent-not-ready"
   */
  notReadyTaintKey?: string;
  /**
   * Nodes are born with that taint. Of use with Cilium; this package's agent removes none, and needs false.
   * @default true in mode `self-managed`
   */
  notReadyTaint?: boolean;
  /**
   * Account of the nodes.
   * @default Compute Engine's default account
   */
  serviceAccount?: pulumi.Input<string>;
  /**
   * Labels of what is made.
   * @default {}
   */
  labels?: { [key: string]: pulumi.Input<string> };
}

/** Every input, for the search for misspelled ones. */
export const gkeNodePoolsInputs: readonly (keyof GkeNodePoolsArgs)[] = [
  "cluster",
  "clusterName",
  "location",
  "project",
  "datapath",
  "pools",
  "notReadyTaintKey",
  "notReadyTaint",
  "serviceAccount",
  "labels",
];

/** Every input of a pool. */
export const gkeNodePoolInputs: readonly (keyof GkeNodePoolArgs)[] = [
  "name",
  "machineType",
  "imageType",
  "minSize",
  "desiredSize",
  "maxSize",
  "diskSizeGib",
  "labels",
  "taints",
];
