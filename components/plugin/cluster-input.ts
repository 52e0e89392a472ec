// SPDX-License-Identifier: Apache-2.0
// Takes a cluster apart that came from another language as one value: what is known of it is plain again.

import * as pulumi from "@pulumi/pulumi";
import type { KubernetesCluster } from "../kubernetes-cluster.ts";

/** What of a cluster is an input by itself, and may be known late. */
const late = [
  "kubernetesVersion",
  "kubeconfig",
  "apiServerHost",
  "apiServerPort",
  "podCidrs",
  "serviceCidrs",
  "nodes",
] as const;

/** The same, where it is not always given. */
const optional = ["identifier", "nodeGroups"] as const;

/** Outputs keep what is known beside what is not, and say so to those who ask. */
interface PartlyKnown {
  promise(withUnknowns: true): Promise<unknown>;
}

function isKnown(value: unknown): boolean {
  return value !== undefined && value !== null && !pulumi.containsUnknowns(value);
}

/**
 * Other languages hand a component's output over as one value. Components judge what they know before anything is
 * created, so that its known parts are made plain again. `undefined` in a preview in which nothing of it is known:
 * the engine leaves out a value of which any part is unknown.
 */
export async function clusterInput(
  value: KubernetesCluster | pulumi.Output<KubernetesCluster>,
): Promise<KubernetesCluster | undefined> {
  if (!pulumi.Output.isInstance(value)) return value;
  const whole = value as pulumi.Output<KubernetesCluster>;
  const seen = await (whole as unknown as PartlyKnown).promise(true);
  const parts = (isKnown(seen) || typeof seen === "object" ? seen : {}) as Record<string, unknown>;
  if (!["name", "platform", "capabilities"].every((name) => isKnown(parts[name]))) return undefined;
  const inputs = [...late, ...optional.filter((name) => parts[name] !== undefined)].map((name) => {
    const part = parts[name];
    const open = isKnown(part) && !pulumi.Output.isInstance(part) && name !== "kubeconfig";
    return [name, open ? part : whole.apply((cluster) => cluster[name] as unknown)];
  });
  const cluster = { ...parts, ...Object.fromEntries(inputs) } as KubernetesCluster;
  return { ...cluster, kubeconfig: pulumi.secret(cluster.kubeconfig) };
}
