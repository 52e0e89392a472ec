// SPDX-License-Identifier: Apache-2.0
// Copies what one map holds into a larger one of the same layout, in slices, so that ids and cells mean the same in both.
import type { HashMap } from "./hash-map.ts";
import type { MappedArray } from "./mapped-array.ts";

const ENTRIES_OF_A_SLICE = 500;
const BYTES_OF_A_SLICE = 256 * 1024;

/** Yields after each slice. */
export function* copyArray(from: MappedArray, to: MappedArray): Generator<void> {
  const total = from.bytes.length;
  for (let at = 0; at < total; at += BYTES_OF_A_SLICE) {
    from.bytes.copy(to.bytes, at, at, Math.min(total, at + BYTES_OF_A_SLICE));
    yield;
  }
}

/** Yields after each slice. */
export function* copyHash(from: Iterable<[Buffer, Buffer]>, to: HashMap): Generator<void> {
  let entries = 0;
  for (const [key, value] of from) {
    to.set(key, value);
    if (++entries % ENTRIES_OF_A_SLICE === 0) yield;
  }
}
