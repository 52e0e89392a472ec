// SPDX-License-Identifier: Apache-2.0
// What the agent says about its syncs: what is in the kernel, what waits, and why it is not ready.

import type { KernelMirror } from "../core/kernel-mirror.ts";
import { networkCount } from "../core/node-capacity.ts";
import type { Capacity } from "../core/operation.ts";
import type { MapName } from "../maps/map-table.ts";
import type { MapUsage } from "./kernel/map-census.ts";
import type { KernelAccount } from "./kernel-account.ts";

export interface SyncStatus {
  /** The first full sync is in the kernel and the programs are attached. */
  readonly ready: boolean;
  /** Why it is not ready, or what is failing now; empty when all is well. */
  readonly reason: string;
  readonly stuck: boolean;
  readonly services: number;
  readonly hostPorts: number;
  readonly frontends: number;
  readonly endpoints: number;
  readonly pending: number;
  readonly problems: number;
  readonly lastSync: Date | undefined;
  readonly resourceVersions: Readonly<Record<string, string>>;
}

export const NO_SYNC_YET: Omit<SyncStatus, "ready" | "stuck"> = {
  reason: "waiting for the API server's first complete lists",
  services: 0,
  hostPorts: 0,
  frontends: 0,
  endpoints: 0,
  pending: 0,
  problems: 0,
  lastSync: undefined,
  resourceVersions: {},
};

/** Entries in use of each map that holds Services. */
function mapUsage(mirror: KernelMirror | undefined): Record<keyof Capacity, number> {
  return {
    frontends: mirror?.frontends.size ?? 0,
    selections: mirror?.selections.size ?? 0,
    arena: mirror?.index.usedCells ?? 0,
    backends: mirror?.backends.size ?? 0,
    sourceRanges: mirror?.sourceRanges.size ?? 0,
  };
}

/** How the kernel and the metrics call the maps that hold Services. */
export const serviceMaps: Readonly<Record<keyof Capacity, MapName>> = {
  frontends: "frontends",
  selections: "selections",
  arena: "arena",
  backends: "backends",
  sourceRanges: "source_ranges",
};

/** What the kernel says of all maps, with the entries in use of those that it cannot count. */
export function usageOfMaps(
  usage: ReadonlyMap<string, MapUsage>,
  { mirror, network }: Pick<KernelAccount, "mirror" | "network">,
): Map<string, MapUsage> {
  const all = new Map(usage);
  const count = (name: MapName, entries: number): void => {
    const known = usage.get(name);
    if (known) all.set(name, { ...known, entries });
  };
  for (const [map, entries] of Object.entries(mapUsage(mirror))) count(serviceMaps[map as keyof Capacity], entries);
  count("networks", network ? networkCount(network) : 0);
  return all;
}
