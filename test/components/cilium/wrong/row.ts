// SPDX-License-Identifier: Apache-2.0
// A configuration of Cilium that cannot work, as its tables write it.

import * as pulumi from "@pulumi/pulumi";
import type { DatapathArgs, KubernetesCluster } from "../../../../components/index.ts";
import { platformOf } from "../settings.ts";

/** What a user chooses of Cilium. */
export type Choice = Omit<DatapathArgs, "cluster" | "engine">;
/** A wrong configuration of a cluster's. */
export interface Wrong {
  readonly what: string;
  readonly cluster: KubernetesCluster;
  readonly choice: Choice;
  readonly propertyPath: string;
  readonly reason: RegExp;
  readonly remedy: RegExp;
}

/** A cluster of the platform, some of its data replaced. */
export function clusterOn(platform: string, changes: Partial<KubernetesCluster> = {}): KubernetesCluster {
  const { capabilities, podCidr, serviceCidr, host, port } = platformOf(platform);
  return {
    name: platform,
    platform,
    kubernetesVersion: "v1.36.3",
    kubeconfig: pulumi.secret("apiVersion: v1\n"),
    apiServerHost: host,
    apiServerPort: port,
    podCidrs: [podCidr],
    serviceCidrs: [serviceCidr],
    nodes: [],
    capabilities,
    ...changes,
  };
}

export const typed = (values: object): Choice => values as Choice;
export const helm = (helmValues: object): Choice => ({ helmValues: helmValues as { [key: string]: unknown } });

/** What is wrong, the choice, the one property to blame, its reason and the remedy. */
export type Row = [what: string, choice: Choice, propertyPath: string, reason: RegExp, remedy: RegExp];

/** The rows as they stand on a platform. */
export const on = (platform: string, rows: readonly Row[], changes: Partial<KubernetesCluster> = {}): Wrong[] =>
  rows.map(([what, choice, propertyPath, reason, remedy]) => ({
    what,
    cluster: clusterOn(platform, changes),
    choice,
    propertyPath,
    reason,
    remedy,
  }));
