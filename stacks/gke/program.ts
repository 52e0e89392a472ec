// SPDX-License-Identifier: Apache-2.0
// The GKE stack: control plane, datapath where it is not Google's own, nodes and the proof, in one update.

import * as pulumi from "@pulumi/pulumi";
import { GkeCluster, type GkeClusterArgs, type GkeNodePoolArgs, GkeNodePools } from "../../components/gke.ts";
import { Datapath, type DatapathArgs, LoadBalancerRelease, Verification } from "../../components/index.ts";
import { openGroups } from "../../components/internal/cloud/taints.ts";
import { poolSizes } from "../../components/internal/gke/node-pool-rules.ts";
import {
  chosenTaint,
  type DatapathSettings,
  operatorFor,
  readDatapath,
  readTree,
  readVerification,
  type Source,
  type VerificationSettings,
} from "../settings.ts";

/** The stack's configuration. */
export interface GkeSettings {
  readonly cluster: GkeClusterArgs;
  readonly pools: GkeNodePoolArgs[];
  readonly serviceAccount?: string | undefined;
  readonly datapath: DatapathSettings;
  readonly verification?: VerificationSettings;
}

/** Reads the configuration. */
export function readGkeSettings(config: Source): GkeSettings {
  return {
    cluster: readTree<GkeClusterArgs>(config, "gke", { location: "europe-west3" }),
    pools: readTree<GkeNodePoolArgs[]>(config, "gkeNodePools", [{ name: "default" }]),
    serviceAccount: config.get("gkeServiceAccount"),
    datapath: readDatapath(config),
    verification: readVerification(config),
  };
}

/** A region's pools have their nodes in each of three zones. */
function nodesAtFirst({ cluster: { location }, pools }: GkeSettings): number {
  const inZone = openGroups(pools).reduce((sum, pool) => sum + poolSizes(pool).desiredSize, 0);
  return /-[a-z]$/.test(location) ? inZone : 3 * inZone;
}

/** Declares the stack's resources; gives its outputs. */
export function gkeStack(name: string, settings: GkeSettings) {
  const { cluster: args, pools, serviceAccount, datapath: chosen, verification: proof } = settings;
  const control = new GkeCluster(name, args);
  const selfManaged = args.mode === "self-managed";
  const engine = selfManaged ? (chosen.engine ?? "cilium") : "dataplane-v2";
  const datapath = selfManaged
    ? new Datapath(
        `${name}-datapath`,
        { ...operatorFor(nodesAtFirst(settings), { ...chosen, engine }), cluster: control.cluster } as DatapathArgs,
        // What lives inside the cluster goes with it.
        { deletedWith: control },
      )
    : undefined;
  const nodes = new GkeNodePools(
    `${name}-nodes`,
    {
      cluster: control.cluster,
      clusterName: control.clusterName,
      location: control.location,
      pools,
      ...(args.project === undefined ? {} : { project: args.project }),
      ...(args.labels === undefined ? {} : { labels: args.labels }),
      ...(serviceAccount === undefined ? {} : { serviceAccount }),
      // Only Cilium takes the taint away again.
      ...(datapath === undefined
        ? {}
        : { datapath: datapath.releaseName, notReadyTaint: engine === "cilium", ...chosenTaint(chosen) }),
    },
    datapath === undefined ? {} : { dependsOn: [datapath] },
  );
  const release = new LoadBalancerRelease(`${name}-load-balancers`, { cluster: nodes.cluster }, { dependsOn: [nodes] });
  const effectiveValues = datapath?.effectiveValues ?? pulumi.output({});
  const verification = new Verification(
    `${name}-verification`,
    { cluster: nodes.cluster, effectiveValues, datapath: engine, ...proof },
    { dependsOn: [nodes, release] },
  );
  return {
    clusterName: control.clusterName,
    kubeconfig: pulumi.secret(control.kubeconfig),
    apiServerHost: control.cluster.apiServerHost,
    nodeGroups: nodes.nodeGroups,
    datapath: datapath?.releaseName ?? engine,
    effectiveValues,
    verification: verification.result,
    verificationTable: verification.table,
  };
}

/** The stack as its configuration says. */
export async function program(): Promise<Record<string, unknown>> {
  return gkeStack("gke", readGkeSettings(new pulumi.Config("sansproxy")));
}
