// SPDX-License-Identifier: Apache-2.0
// Copies what one map holds into a larger one of the same layout, in slices, so that ids and cells mean the same in both.
import type { HashMap } from "./hash-map.ts";
import type { MappedArray } from "./mapped-array.ts";

const ENTRIES_OF_A_SLICE = 500;

/** Yields after each slice. `to` is not the shorter one. */
export function* copyArray(from: MappedArray, to: MappedArray): Generator<void> {
  const targets = to.scan();
  try {
    for (const { bytes } of from.scan()) {
      const { value: target } = targets.next();
      if (target) bytes.copy(target.bytes);
      yield;
    }
  } finally {
    targets.return(undefined);
  }
}

/** Of a map that cannot be read in batches: an LPM trie, or a small array. Yields after each slice. */
export function* copyEntries(from: HashMap, to: HashMap): Generator<void> {
  let entries = 0;
  for (const [key, value] of from.walk()) {
    to.set(key, value);
    if (++entries % ENTRIES_OF_A_SLICE === 0) yield;
  }
}

/** Yields after each slice. */
export function* copyHash(from: HashMap, to: HashMap): Generator<void> {
  for (const batch of from.batches()) {
    to.setBatch(batch);
    yield;
  }
}

/**
 * What has come into `from` since it was copied, by what `isLate` says of its value: to try each of many entries takes far
 * longer than to read them. What `to` has been given since stays. Yields after each slice.
 */
export function* copyMissing(from: HashMap, to: HashMap, isLate: (value: Buffer) => boolean): Generator<void> {
  let entries = 0;
  for (const [key, value] of from.entries()) {
    if (isLate(value)) to.insert(key, value);
    if (++entries % ENTRIES_OF_A_SLICE === 0) yield;
  }
}

/** How many entries it has. Yields after each slice. */
export function* countEntries(map: HashMap): Generator<void, number> {
  let count = 0;
  for (const batch of map.batches()) {
    count += batch.count;
    yield;
  }
  return count;
}

/** How many entries it has whose values are so. Yields after each slice. */
export function* countValues(map: HashMap, isCounted: (value: Buffer) => boolean): Generator<void, number> {
  let [count, entries] = [0, 0];
  for (const [, value] of map.entries()) {
    if (isCounted(value)) count++;
    if (++entries % ENTRIES_OF_A_SLICE === 0) yield;
  }
  return count;
}
