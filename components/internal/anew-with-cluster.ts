// SPDX-License-Identifier: Apache-2.0
// Lets what lives inside a cluster be made anew with it, when a cluster of the same name replaces it.

import type * as pulumi from "@pulumi/pulumi";
import type { KubernetesCluster } from "../kubernetes-cluster.ts";

/**
 * Options of a resource whose `property` carries the cluster's identifier. The kubernetes provider cannot tell: the engine (3.250)
 * closes a provider that has to be replaced before it has deleted what was made by it.
 */
export const anewWithCluster = (property: string): pulumi.CustomResourceOptions => ({
  replaceOnChanges: [property],
  // The old cluster may be gone, and the provider then speaks to the new one: nothing of it is deleted again there.
  deleteBeforeReplace: true,
});

/** Carries it in an object's metadata. */
export const clusterAnnotation = ({
  name,
  identifier,
}: Pick<KubernetesCluster, "name" | "identifier">): Record<string, pulumi.Input<string>> => ({
  "sansproxy.io/cluster": identifier ?? name,
});
