// SPDX-License-Identifier: Apache-2.0
// Decides when the maps are to be made larger, and how large, within the memory they may take.

import { budgetOf } from "./admission.ts";
import type { Capacity } from "./operation.ts";

/** Above this part of what may be in steady use a map is made larger. */
const HIGHEST_FILL = 0.8;
/** A larger map is at most this full, so that the next time is far. */
const FILL_AFTERWARDS = 0.5;
/** The kernel's own limits are not far above. */
const LARGEST = 2 ** 26;

const MAPS = ["frontends", "selections", "arena", "backends", "sourceRanges"] as const;

/**
 * Capacities for these needs, or undefined when there is nothing to do or nothing that may be done. Where room to spare
 * would take too much memory, just enough is given; where even that would, the maps stay as they are, and what does not
 * fit is refused one Service at a time.
 */
export function grownCapacity(
  needs: Capacity,
  capacity: Capacity,
  memory: { readonly bytesOf: (capacity: Capacity) => number; readonly limitBytes: number },
): Capacity | undefined {
  for (const [isDue, fill] of [
    [HIGHEST_FILL, FILL_AFTERWARDS],
    [1, 1],
  ] as const) {
    const grown = { ...capacity };
    for (const map of MAPS) {
      const isTooFull = (limit: number) => needs[map] > limit * budgetOf(grown)[map];
      if (!isTooFull(isDue)) continue;
      while (isTooFull(fill) && grown[map] < LARGEST) grown[map] *= 2;
    }
    const hasGrown = MAPS.some((map) => grown[map] > capacity[map]);
    if (!hasGrown) return undefined;
    if (memory.bytesOf(grown) <= memory.limitBytes) return grown;
  }
  return undefined;
}
