// SPDX-License-Identifier: Apache-2.0
// The nodes of a GKE cluster: made after the datapath is installed, where it is not Google's own.

import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { cloudTaints, defaultNotReadyTaint } from "./internal/cloud/taints.ts";
import { oauthScopes } from "./internal/gke/control-plane.ts";
import type { GkeNodePoolArgs, GkeNodePoolsArgs } from "./internal/gke/node-pool-args.ts";
import { checkedDatapath, nodePoolsProblems, poolSizes } from "./internal/gke/node-pool-rules.ts";
import { refuseProblems } from "./internal/input-errors.ts";
import type { KubernetesCluster, KubernetesNodeGroup } from "./kubernetes-cluster.ts";

export type { NodeTaintArgs } from "./internal/cloud/taints.ts";
export type { GkeNodePoolArgs, GkeNodePoolsArgs } from "./internal/gke/node-pool-args.ts";

/** Pools of nodes. */
export class GkeNodePools extends pulumi.ComponentResource {
  /** The cluster with its nodes, for Verification: known when they are Ready. */
  readonly cluster: KubernetesCluster;
  /** The pools, known when all their nodes are Ready. */
  readonly nodeGroups: pulumi.Output<KubernetesNodeGroup[]>;

  constructor(name: string, args: GkeNodePoolsArgs, opts?: pulumi.ComponentResourceOptions) {
    const fixed = args.cluster.capabilities.fixedDatapath === true;
    const tainted = !fixed && (args.notReadyTaint ?? true);
    const notReadyTaint = tainted ? (args.notReadyTaintKey ?? defaultNotReadyTaint) : undefined;
    const what = `GkeNodePools "${name}"`;
    refuseProblems(what, nodePoolsProblems(args, notReadyTaint));
    const datapath = checkedDatapath(what, args.datapath, notReadyTaint);
    super("sansproxy:index:GkeNodePools", name, {}, opts);

    const within = {
      parent: this,
      ...(opts?.dependsOn === undefined ? {} : { dependsOn: opts.dependsOn }),
    };
    const checked = { ...args, ...(datapath === undefined ? {} : { datapath }) };
    const pools = args.pools.map((pool) => this.#pool(name, pool, checked, notReadyTaint, within));
    this.nodeGroups = pulumi.all(pools.map(({ version }) => version)).apply((versions) =>
      args.pools.map((pool, index) => {
        const { minSize, desiredSize } = poolSizes(pool);
        return { name: pool.name, version: versions[index] ?? "", minSize: Math.min(minSize, desiredSize) };
      }),
    );
    this.cluster = { ...args.cluster, nodeGroups: this.nodeGroups };
    this.registerOutputs({ nodeGroups: this.nodeGroups });
  }

  #pool(
    name: string,
    pool: GkeNodePoolArgs,
    args: GkeNodePoolsArgs,
    notReadyTaint: string | undefined,
    within: pulumi.CustomResourceOptions,
  ): gcp.container.NodePool {
    const taints = cloudTaints(pool.taints ?? [], notReadyTaint);
    const { minSize, desiredSize, maxSize } = poolSizes(pool);
    return new gcp.container.NodePool(
      `${name}-${pool.name}`,
      {
        name: pool.name,
        cluster: args.clusterName,
        location: args.location,
        ...(args.project === undefined ? {} : { project: args.project }),
        initialNodeCount: desiredSize,
        autoscaling: { minNodeCount: minSize, maxNodeCount: maxSize },
        management: { autoRepair: true, autoUpgrade: true },
        upgradeSettings: { maxSurge: 1, maxUnavailable: 0 },
        nodeConfig: {
          machineType: pool.machineType ?? "e2-standard-4",
          imageType: pool.imageType ?? "COS_CONTAINERD",
          diskSizeGb: pool.diskSizeGib ?? 100,
          oauthScopes,
          metadata: { "disable-legacy-endpoints": "true" },
          ...(args.project === undefined ? {} : { workloadMetadataConfig: { mode: "GKE_METADATA" } }),
          ...(args.serviceAccount === undefined ? {} : { serviceAccount: args.serviceAccount }),
          ...(pool.labels === undefined ? {} : { labels: pool.labels }),
          ...(taints.length === 0 ? {} : { taints }),
          // Its value is known when the datapath is installed: so the nodes come after it, whoever wrote the program.
          resourceLabels: {
            ...args.labels,
            ...(args.datapath === undefined ? {} : { "sansproxy-datapath": args.datapath }),
          },
        },
      },
      { ...within, ignoreChanges: ["initialNodeCount"] },
    );
  }
}
