// SPDX-License-Identifier: Apache-2.0
// The bare-metal stack: servers of your own, reached by SSH, made into a cluster, its datapath and the proof, in one update.

import * as pulumi from "@pulumi/pulumi";
import { BareMetalCluster, type BareMetalClusterArgs } from "../../components/bare-metal.ts";
import { Datapath, type DatapathArgs, Verification } from "../../components/index.ts";
import {
  type DatapathSettings,
  operatorFor,
  readDatapath,
  readTree,
  readVerification,
  type Source,
  type VerificationSettings,
} from "../settings.ts";

/** The stack's configuration. */
export interface BareMetalSettings {
  readonly cluster: BareMetalClusterArgs;
  readonly datapath: DatapathSettings;
  readonly verification?: VerificationSettings;
}

/** Reads the configuration; the SSH key is a secret of its own. */
export function readBareMetalSettings(
  config: Source & { requireSecret(key: string): pulumi.Output<string> },
): BareMetalSettings {
  const cluster = readTree<Partial<BareMetalClusterArgs>>(config, "bareMetal", {});
  if (cluster.privateKey !== undefined) {
    throw new pulumi.RunError(
      "The configuration sansproxy:bareMetal.privateKey would be kept in the open; take it out, and run: pulumi config set --secret sansproxy:sshKey < FILE",
    );
  }
  if (cluster.hosts === undefined || !Array.isArray(cluster.hosts)) {
    throw new pulumi.RunError(
      "The configuration sansproxy:bareMetal.hosts is missing, and it lists the servers (pulumi config set --path 'sansproxy:bareMetal.hosts[0].name' cp-1, and so on for role, address and hostKey).",
    );
  }
  return {
    cluster: { ...cluster, hosts: cluster.hosts, privateKey: config.requireSecret("sshKey") },
    datapath: readDatapath(config),
    verification: readVerification(config),
  };
}

/** Declares the stack's resources; gives its outputs. */
export function bareMetalStack(
  name: string,
  { cluster: args, datapath: chosen, verification: proof }: BareMetalSettings,
) {
  const control = new BareMetalCluster(name, args);
  const engine = chosen.engine ?? "agent";
  const datapath = new Datapath(
    `${name}-datapath`,
    { ...operatorFor(args.hosts.length, { ...chosen, engine }), cluster: control.cluster } as DatapathArgs,
    // What lives inside the cluster goes with it.
    { deletedWith: control },
  );
  const verification = new Verification(
    `${name}-verification`,
    { cluster: control.cluster, effectiveValues: datapath.effectiveValues, datapath: engine, ...proof },
    { dependsOn: [datapath] },
  );
  return {
    clusterName: name,
    kubeconfig: pulumi.secret(control.kubeconfig),
    apiServerHost: control.cluster.apiServerHost,
    nodes: control.nodes,
    datapath: datapath.releaseName,
    effectiveValues: datapath.effectiveValues,
    verification: verification.result,
    verificationTable: verification.table,
  };
}

/** The stack as its configuration says. */
export async function program(): Promise<Record<string, unknown>> {
  return bareMetalStack("metal", readBareMetalSettings(new pulumi.Config("sansproxy")));
}
