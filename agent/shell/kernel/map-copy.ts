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

/** Yields after each slice. */
export function* copyHash(from: Iterable<[Buffer, Buffer]>, to: HashMap): Generator<void> {
  let entries = 0;
  for (const [key, value] of from) {
    to.set(key, value);
    if (++entries % ENTRIES_OF_A_SLICE === 0) yield;
  }
}
