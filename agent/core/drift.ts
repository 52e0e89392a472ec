// SPDX-License-Identifier: Apache-2.0
// Counts where the maps as read back differ from what the agent's own writes left in them.

import { sameEntry } from "./frontend-entry.ts";
import type { KernelMirror } from "./kernel-mirror.ts";
import { type KernelState, type Selection, sameCell } from "./operation.ts";

export interface Drift {
  readonly frontends: number;
  readonly selections: number;
  readonly extents: number;
  readonly backends: number;
  readonly sourceRanges: number;
}

export const driftTotal = (drift: Drift): number =>
  drift.frontends + drift.selections + drift.extents + drift.backends + drift.sourceRanges;

export function driftOf(mirror: KernelMirror, read: KernelState): Drift {
  // Extents that no selection refers to are not read back, so they cannot be compared.
  const referenced = new Map([...mirror.extents].filter(([offset]) => !mirror.idleExtents.has(offset)));
  return {
    frontends: countDifferent(mirror.frontends, read.frontends, (a, b) => sameEntry(a.entry, b.entry)),
    selections: countDifferent(mirror.selections, read.selections, sameSelection),
    extents: countDifferent(referenced, read.extents, sameIds),
    backends: countDifferent(mirror.backends, read.backends, sameCell),
    sourceRanges: countDifferent(mirror.sourceRanges, read.sourceRanges, () => true),
  };
}

function countDifferent<K, V>(
  known: ReadonlyMap<K, V>,
  read: ReadonlyMap<K, V>,
  same: (a: V, b: V) => boolean,
): number {
  let different = 0;
  for (const [key, value] of known) {
    const found = read.get(key);
    if (found === undefined || !same(value, found)) different++;
  }
  for (const key of read.keys()) if (!known.has(key)) different++;
  return different;
}

const sameSelection = (a: Selection, b: Selection): boolean =>
  a.offset === b.offset && a.count === b.count && a.generation === b.generation;
const sameIds = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((id, index) => id === b[index]);
