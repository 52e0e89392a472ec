// SPDX-License-Identifier: Apache-2.0
// Names the ways in which Cilium can run on each platform, and what the rules know of one installation.

import type { KubernetesClusterCapabilities } from "../../kubernetes-cluster.ts";
import type { Load } from "./sizing.ts";

/** What is known of the cluster; `undefined` is what only the running update will tell. */
export interface CiliumCluster {
  readonly name?: string;
  readonly platform: string;
  readonly capabilities: KubernetesClusterCapabilities;
  readonly podCidrs: readonly string[] | undefined;
  readonly serviceCidrs: readonly string[] | undefined;
  readonly apiServerHost: string | undefined;
  readonly apiServerPort: number | undefined;
}

/** One installation: the cluster, the way in which Cilium runs on it, and what is known of its nodes and load. */
export interface CiliumSetting {
  readonly cluster: CiliumCluster;
  readonly mode: string;
  readonly version: string;
  readonly chartSource: string;
  /** Oldest kernel of the nodes, such as `6.8`. */
  readonly kernel: string | undefined;
  readonly load: Load | undefined;
}

/** The chart that the value sets are made for. */
export const tunedVersion = "1.20.0";

/** The chart's own repository. */
export const upstreamRepository = "https://helm.cilium.io/";

const modesOf: Readonly<Record<string, readonly string[]>> = {
  "bare-metal": ["native", "tunnel"],
  eks: ["eni", "eni-masquerading", "chaining", "overlay"],
  gke: ["self-managed"],
};

/** The modes of a platform; none for a platform that is not known. */
export function platformModes(platform: string): readonly string[] {
  return modesOf[platform] ?? [];
}

/** Every platform with one of its modes. */
export const allModes: readonly (readonly [platform: string, mode: string])[] = Object.entries(modesOf).flatMap(
  ([platform, modes]) => modes.map((mode) => [platform, mode] as const),
);

/** The mode of a cluster for which none was chosen. */
export function defaultMode({ platform, capabilities }: Pick<CiliumCluster, "platform" | "capabilities">): string {
  if (capabilities.mode !== undefined && platformModes(platform).includes(capabilities.mode)) return capabilities.mode;
  if (platform === "bare-metal") return capabilities.nativeRouting ? "native" : "tunnel";
  if (platform === "eks" && capabilities.ownsCni) return "chaining";
  return platformModes(platform)[0] ?? "";
}

/** Whether nodes are a cloud's machines, on a network that routes by its own tables. */
export function isCloud(cluster: CiliumCluster): boolean {
  return cluster.platform !== "bare-metal";
}
