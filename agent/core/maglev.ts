// SPDX-License-Identifier: Apache-2.0
// Builds Maglev look-up tables: the same on every node for the same backends, even, and little disturbed when one comes or goes.

/** Primes that Cilium offers too, up to what one selection can hold. */
export const MAGLEV_TABLE_SIZES: readonly number[] = [251, 509, 1021, 2039, 4093, 8191, 16_381, 32_749, 65_521];

/** The least of the sizes that has a cell for each backend and is not below `size`; undefined when there is none. */
export function maglevTableSize(backends: number, size: number): number | undefined {
  return MAGLEV_TABLE_SIZES.find((each) => each >= size && each >= backends);
}

/**
 * For each cell which of the backends it leads to, as an index. The algorithm of "Maglev: A Fast and Reliable Software
 * Network Load Balancer" (2016), section 3.4: each backend has its own order of all cells, and they take turns at the
 * first free one in theirs. `size` must be prime, so that each order reaches every cell.
 */
export function maglevTable(backends: readonly string[], size: number): Uint32Array {
  const table = new Uint32Array(size);
  if (backends.length === 0) return table;
  const isTaken = new Uint8Array(size);
  const next = Uint32Array.from(backends, (name) => hash(name, 0x811c9dc5) % size);
  const skip = Uint32Array.from(backends, (name) => (hash(name, 0x2f0b4c47) % (size - 1)) + 1);
  for (let filled = 0; ; ) {
    for (let backend = 0; backend < backends.length; backend++) {
      let cell = next[backend] ?? 0;
      const step = skip[backend] ?? 1;
      while (isTaken[cell] === 1) cell = (cell + step) % size;
      isTaken[cell] = 1;
      table[cell] = backend;
      next[backend] = (cell + step) % size;
      if (++filled === size) return table;
    }
  }
}

/** FNV-1a over UTF-16 code units with its own start, and Murmur3's finalizer, so that near names are far apart. */
function hash(text: string, start: number): number {
  let value = start;
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
