// SPDX-License-Identifier: Apache-2.0
// The control plane of GKE: its first pool, which Google insists on, is deleted before any other node is made.

import * as gcp from "@pulumi/gcp";
import type * as pulumi from "@pulumi/pulumi";
import { cloudTaints, defaultNotReadyTaint } from "../cloud/taints.ts";
import type { GkeClusterArgs } from "./args.ts";
import type { CheckedGkeInputs } from "./inputs.ts";
import type { ClusterNetwork } from "./network.ts";

/** What nodes may ask of Google's APIs; the account's roles decide the rest. */
export const oauthScopes = ["https://www.googleapis.com/auth/cloud-platform"];

/** Makes the control plane. */
export function gkeControlPlane(
  name: string,
  args: GkeClusterArgs,
  inputs: CheckedGkeInputs,
  network: ClusterNetwork,
  parent: pulumi.Resource,
): gcp.container.Cluster {
  const { project } = args;
  return new gcp.container.Cluster(
    `${name}-cluster`,
    {
      name: inputs.clusterName,
      location: args.location,
      ...(project === undefined ? {} : { project, workloadIdentityConfig: { workloadPool: `${project}.svc.id.goog` } }),
      network: network.network,
      subnetwork: network.subnetwork,
      networkingMode: "VPC_NATIVE",
      ipAllocationPolicy: {
        clusterSecondaryRangeName: network.podRangeName,
        servicesSecondaryRangeName: network.serviceRangeName,
      },
      datapathProvider: inputs.selfManaged ? "LEGACY_DATAPATH" : "ADVANCED_DATAPATH",
      minMasterVersion: inputs.kubernetesVersion,
      releaseChannel: { channel: args.releaseChannel ?? "REGULAR" },
      removeDefaultNodePool: true,
      initialNodeCount: 1,
      // These are the settings of the pool that is deleted at once: nothing may begin to run on it.
      nodeConfig: {
        machineType: "e2-medium",
        oauthScopes,
        ...(inputs.selfManaged ? { taints: cloudTaints([], defaultNotReadyTaint) } : {}),
      },
      privateClusterConfig: {
        enablePrivateNodes: inputs.privateNodes,
        enablePrivateEndpoint: args.privateEndpoint ?? false,
      },
      ...(args.authorizedNetworks === undefined
        ? {}
        : {
            masterAuthorizedNetworksConfig: { cidrBlocks: args.authorizedNetworks.map((cidrBlock) => ({ cidrBlock })) },
          }),
      deletionProtection: args.deletionProtection ?? false,
      ...(args.labels === undefined ? {} : { resourceLabels: args.labels }),
    },
    { parent, dependsOn: network.foundations, ignoreChanges: ["nodeConfig", "initialNodeCount"] },
  );
}
