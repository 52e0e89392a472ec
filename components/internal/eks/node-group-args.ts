// SPDX-License-Identifier: Apache-2.0
// The inputs of EksNodeGroups, as its users write them.

import type * as pulumi from "@pulumi/pulumi";
import type { KubernetesCluster } from "../../kubernetes-cluster.ts";
import type { NodeTaintArgs } from "../cloud/taints.ts";

/** A managed group of alike nodes. */
export interface EksNodeGroupArgs {
  /** Name of the group; another name is another group. */
  name: string;
  /**
   * Types of machines that will do, the preferred one first.
   * @default ["m6i.large"]
   */
  instanceTypes?: string[];
  /**
   * Image of the machines.
   * @default "AL2023_x86_64_STANDARD", and "AL2023_ARM_64_STANDARD" for Graviton's types
   */
  amiType?: string;
  /**
   * `ON_DEMAND`, `SPOT` or `CAPACITY_BLOCK`.
   * @default "ON_DEMAND"
   */
  capacityType?: string;
  /**
   * Nodes at least.
   * @default 1
   */
  minSize?: number;
  /**
   * Nodes at first; an autoscaler may change the number later, and no update puts it back.
   * @default 2
   */
  desiredSize?: number;
  /**
   * Nodes at most.
   * @default 3, or desiredSize where that is more
   */
  maxSize?: number;
  /**
   * Disk of a node, in GiB.
   * @default 50
   */
  diskSizeGib?: number;
  /**
   * How many nodes an upgrade may replace at a time.
   * @default 1
   */
  maxUnavailable?: number;
  /**
   * Subnets.
   * @default all of `subnetIds`
   */
  subnetIds?: pulumi.Input<pulumi.Input<string>[]>;
  /**
   * Minor version of Kubernetes, where the nodes follow the control plane later.
   * @default the control plane's
   */
  kubernetesVersion?: string;
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

/** Inputs of EksNodeGroups. */
export interface EksNodeGroupsArgs {
  /** The cluster of an EksCluster. */
  cluster: KubernetesCluster;
  /** `clusterName` of the EksCluster. */
  clusterName: pulumi.Input<string>;
  /** `nodeRoleArn` of the EksCluster. */
  nodeRoleArn: pulumi.Input<string>;
  /** `nodeSubnetIds` of the EksCluster. */
  subnetIds: pulumi.Input<pulumi.Input<string>[]>;
  /** `releaseName` of the Datapath: nodes are made after it is installed, for they are not ready before it serves. */
  datapath: pulumi.Input<string>;
  /** The groups. */
  groups: EksNodeGroupArgs[];
  /**
   * Key of the taint that Cilium removes, as `agentNotReadyTaintKey` of the Datapath says.
   * @default "node.cilium.io/agent-not-ready"
   */
  notReadyTaintKey?: string;
  /**
   * Version of the add-on coredns.
   * @default AWS' default for the Kubernetes version
   */
  coreDnsVersion?: pulumi.Input<string>;
  /**
   * Tags of everything that is made.
   * @default {}
   */
  tags?: { [key: string]: pulumi.Input<string> };
}

/** Every input, for the search for misspelled ones. */
export const eksNodeGroupsInputs: readonly (keyof EksNodeGroupsArgs)[] = [
  "cluster",
  "clusterName",
  "nodeRoleArn",
  "subnetIds",
  "datapath",
  "groups",
  "notReadyTaintKey",
  "coreDnsVersion",
  "tags",
];

/** Every input of a group. */
export const eksNodeGroupInputs: readonly (keyof EksNodeGroupArgs)[] = [
  "name",
  "instanceTypes",
  "amiType",
  "capacityType",
  "minSize",
  "desiredSize",
  "maxSize",
  "diskSizeGib",
  "maxUnavailable",
  "subnetIds",
  "kubernetesVersion",
  "labels",
  "taints",
];
