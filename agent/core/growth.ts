// SPDX-License-Identifier: Apache-2.0
// Decides when the maps are to be made larger, and how large, within the memory they may take.

import { budgetOf } from "./admission.ts";
import type { Capacity } from "./operation.ts";

/** Above this part of what may be in steady use a map is made larger. */
const HIGHEST_FILL = 0.8;
/** A larger map is at most this full, so that the next time is far. */
const FILL_AFTERWARDS = 0.5;
const SET_ASIDE_BY_CPU = 128;
/** The kernel's own limits are not far above. */
const LARGEST = 2 ** 26;

export interface MapMemory<T> {
  readonly bytesOf: (entries: T) => number;
  readonly limitBytes: number;
}

/**
 * Capacities for what these Services need, or undefined when there is nothing to do or nothing that may be done. Where room
 * to spare would take too much memory, just enough is given; where even that would, the maps stay as they are, and what does
 * not fit is refused one Service at a time.
 */
export const grownCapacity = (needs: Capacity, capacity: Capacity, memory: MapMemory<Capacity>): Capacity | undefined =>
  grown(needs, { ...capacity }, budgetOf, memory);

type Entries<K extends string> = Readonly<Record<K, number>>;

/** The same for maps whose every entry may be in steady use. */
export const grownEntries = <K extends string>(needs: Entries<K>, entries: Entries<K>, memory: MapMemory<Entries<K>>) =>
  grown(needs, entries, (each) => each, memory);

/** The same for maps whose least recently used entries give way when there is no free one. */
export function grownLruEntries<K extends string>(
  needs: Entries<K>,
  entries: Entries<K>,
  cpus: number,
  memory: MapMemory<Entries<K>>,
): Entries<K> | undefined {
  const kept = (each: Entries<K>) =>
    Object.fromEntries(Object.entries<number>(each).map(([map, of]) => [map, keptByLru(of, cpus)])) as Entries<K>;
  return grown(needs, entries, kept, memory);
}

/**
 * How many entries a map of the least recently used holds for certain. Each CPU sets free entries aside that the others cannot
 * use, and one that finds none gives way that many at a time (LOCAL_FREE_TARGET, kernel/bpf/bpf_lru_list.c).
 */
export const keptByLru = (entries: number, cpus: number): number => Math.max(0, entries - SET_ASIDE_BY_CPU * cpus);

function grown<T extends Readonly<Record<keyof T, number>>>(
  needs: T,
  entries: T,
  budgetOf: (entries: T) => T,
  { bytesOf, limitBytes }: MapMemory<T>,
): T | undefined {
  const maps = Object.keys(needs) as (keyof T)[];
  for (const [isDue, fill] of [
    [HIGHEST_FILL, FILL_AFTERWARDS],
    [1, 1],
  ] as const) {
    const larger = { ...entries };
    const numbers = larger as Record<keyof T, number>;
    for (const map of maps) {
      const isTooFull = (limit: number) => needs[map] > limit * budgetOf(larger)[map];
      if (!isTooFull(isDue)) continue;
      while (isTooFull(fill) && numbers[map] < LARGEST) numbers[map] *= 2;
    }
    const hasGrown = maps.some((map) => numbers[map] > entries[map]);
    if (!hasGrown) return undefined;
    if (bytesOf(larger) <= limitBytes) return larger;
  }
  return undefined;
}
