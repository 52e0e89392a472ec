// SPDX-License-Identifier: Apache-2.0
// The nodes of an EKS cluster: made after the datapath is installed, and followed by cluster DNS.

import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { cloudTaints, defaultNotReadyTaint } from "./internal/cloud/taints.ts";
import { addOn } from "./internal/eks/add-ons.ts";
import { eksModes } from "./internal/eks/modes.ts";
import type { EksNodeGroupArgs, EksNodeGroupsArgs } from "./internal/eks/node-group-args.ts";
import { amiTypeOf, nodeGroupsProblems, sizesOf, typesOf } from "./internal/eks/node-group-rules.ts";
import { refuseProblems } from "./internal/input-errors.ts";
import type { KubernetesCluster, KubernetesNodeGroup } from "./kubernetes-cluster.ts";

export type { NodeTaintArgs } from "./internal/cloud/taints.ts";
export type { EksNodeGroupArgs, EksNodeGroupsArgs } from "./internal/eks/node-group-args.ts";

/** Managed groups of nodes, and the cluster DNS that runs on them. */
export class EksNodeGroups extends pulumi.ComponentResource {
  /** The cluster with its nodes, for Verification: known when they are Ready and DNS runs. */
  readonly cluster: KubernetesCluster;
  /** The groups, known when all their nodes are Ready. */
  readonly nodeGroups: pulumi.Output<KubernetesNodeGroup[]>;

  constructor(name: string, args: EksNodeGroupsArgs, opts?: pulumi.ComponentResourceOptions) {
    const mode = eksModes[args.cluster.capabilities.mode ?? ""];
    const notReadyTaint = mode?.notReadyTaint === false ? undefined : (args.notReadyTaintKey ?? defaultNotReadyTaint);
    refuseProblems(`EksNodeGroups "${name}"`, nodeGroupsProblems(args, notReadyTaint));
    super("sansproxy:index:EksNodeGroups", name, {}, opts);

    const within = {
      parent: this,
      ...(opts?.dependsOn === undefined ? {} : { dependsOn: opts.dependsOn }),
    };
    const groups = args.groups.map((group) => this.#group(name, group, args, notReadyTaint, within));
    // DNS is degraded, and would be waited for in vain, as long as there is no node with a datapath.
    const dns = addOn(
      name,
      { addonName: "coredns", clusterName: args.clusterName, addonVersion: args.coreDnsVersion, tags: args.tags ?? {} },
      { parent: this, dependsOn: groups },
    );
    this.nodeGroups = pulumi.all([dns.id, ...groups.map(({ version }) => version)]).apply(([, ...versions]) =>
      args.groups.map((group, index) => {
        const { minSize, desiredSize } = sizesOf(group);
        return { name: group.name, version: versions[index] ?? "", minSize: Math.min(minSize, desiredSize) };
      }),
    );
    this.cluster = { ...args.cluster, nodeGroups: this.nodeGroups };
    this.registerOutputs({ nodeGroups: this.nodeGroups });
  }

  #group(
    name: string,
    group: EksNodeGroupArgs,
    args: EksNodeGroupsArgs,
    notReadyTaint: string | undefined,
    within: pulumi.CustomResourceOptions,
  ): aws.eks.NodeGroup {
    const taints = cloudTaints(group.taints ?? [], notReadyTaint);
    const version =
      group.kubernetesVersion ?? pulumi.output(args.cluster.kubernetesVersion).apply((text) => text.slice(1));
    return new aws.eks.NodeGroup(
      `${name}-${group.name}`,
      {
        clusterName: args.clusterName,
        nodeGroupName: group.name,
        nodeRoleArn: args.nodeRoleArn,
        subnetIds: group.subnetIds ?? args.subnetIds,
        scalingConfig: sizesOf(group),
        instanceTypes: typesOf(group),
        amiType: amiTypeOf(group),
        capacityType: group.capacityType ?? "ON_DEMAND",
        diskSize: group.diskSizeGib ?? 50,
        updateConfig: { maxUnavailable: group.maxUnavailable ?? 1 },
        version,
        ...(group.labels === undefined ? {} : { labels: group.labels }),
        ...(taints.length === 0 ? {} : { taints }),
        // Its value is known when the datapath is installed: so the nodes come after it, whoever wrote the program.
        tags: { ...args.tags, "sansproxy/datapath": args.datapath },
      },
      { ...within, ignoreChanges: ["scalingConfig.desiredSize"] },
    );
  }
}
