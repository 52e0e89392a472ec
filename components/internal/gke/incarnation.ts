// SPDX-License-Identifier: Apache-2.0
// Tells a GKE cluster from the one that replaces it: both have the same name, and Google gives an id to neither.

import { local } from "@pulumi/command";
import type * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";

/**
 * Another one for each cluster that is made, and for no other reason: endpoint and certificate authority would change with a
 * rotation of credentials as well. It depends on the cluster, so that what is replaced for it is deleted before the cluster.
 */
export function clusterIdentifier(
  name: string,
  clusterName: string,
  cluster: gcp.container.Cluster,
  parent: pulumi.Resource,
): pulumi.Output<string> {
  const incarnation = new local.Command(
    `${name}-incarnation`,
    { create: "true", update: "true", addPreviousOutputInEnv: false },
    { parent, dependsOn: [cluster], replaceWith: [cluster] },
  );
  return pulumi.all([incarnation.id, cluster.id]).apply(([id]) => `${clusterName}-${id}`);
}
