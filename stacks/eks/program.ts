// SPDX-License-Identifier: Apache-2.0
// The EKS stack: control plane, datapath, nodes, cluster DNS and the proof, in one update.

import * as pulumi from "@pulumi/pulumi";
import { EksCluster, type EksClusterArgs, type EksNodeGroupArgs, EksNodeGroups } from "../../components/eks.ts";
import { Datapath, type DatapathArgs, LoadBalancerRelease, Verification } from "../../components/index.ts";
import { openGroups } from "../../components/internal/cloud/taints.ts";
import { sizesOf } from "../../components/internal/eks/node-group-rules.ts";
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
export interface EksSettings {
  readonly cluster: EksClusterArgs;
  readonly groups: EksNodeGroupArgs[];
  readonly coreDnsVersion?: string | undefined;
  readonly datapath: DatapathSettings;
  readonly verification?: VerificationSettings;
}

/** Reads the configuration. */
export function readEksSettings(config: Source): EksSettings {
  return {
    cluster: readTree<EksClusterArgs>(config, "eks", {}),
    groups: readTree<EksNodeGroupArgs[]>(config, "eksNodeGroups", [{ name: "default" }]),
    coreDnsVersion: config.get("eksCoreDnsVersion"),
    datapath: readDatapath(config),
    verification: readVerification(config),
  };
}

/** Declares the stack's resources; gives its outputs. */
export function eksStack(name: string, settings: EksSettings) {
  const { cluster: args, groups, coreDnsVersion, datapath: chosen, verification: proof } = settings;
  const control = new EksCluster(name, args);
  const engine = chosen.engine ?? (args.mode === "agent" ? "agent" : "cilium");
  const nodesAtFirst = openGroups(groups).reduce((sum, group) => sum + sizesOf(group).desiredSize, 0);
  const datapath = new Datapath(
    `${name}-datapath`,
    { ...operatorFor(nodesAtFirst, { ...chosen, engine }), cluster: control.cluster } as DatapathArgs,
    // What lives inside the cluster goes with it.
    { deletedWith: control },
  );
  const nodes = new EksNodeGroups(
    `${name}-nodes`,
    {
      cluster: control.cluster,
      clusterName: control.clusterName,
      nodeRoleArn: control.nodeRoleArn,
      subnetIds: control.nodeSubnetIds,
      datapath: datapath.releaseName,
      groups,
      ...chosenTaint(chosen),
      ...(coreDnsVersion === undefined ? {} : { coreDnsVersion }),
      ...(args.tags === undefined ? {} : { tags: args.tags }),
    },
    { dependsOn: [datapath] },
  );
  const release = new LoadBalancerRelease(`${name}-load-balancers`, { cluster: nodes.cluster }, { dependsOn: [nodes] });
  const verification = new Verification(
    `${name}-verification`,
    { cluster: nodes.cluster, effectiveValues: datapath.effectiveValues, datapath: engine, ...proof },
    { dependsOn: [nodes, release] },
  );
  return {
    clusterName: control.clusterName,
    kubeconfig: pulumi.secret(control.kubeconfig),
    apiServerHost: control.cluster.apiServerHost,
    vpcId: control.vpcId,
    nodeGroups: nodes.nodeGroups,
    datapath: datapath.releaseName,
    effectiveValues: datapath.effectiveValues,
    verification: verification.result,
    verificationTable: verification.table,
  };
}

/** The stack as its configuration says. */
export async function program(): Promise<Record<string, unknown>> {
  return eksStack("eks", readEksSettings(new pulumi.Config("sansproxy")));
}
