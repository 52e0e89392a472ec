// SPDX-License-Identifier: Apache-2.0
// Finds room for extents in the arena: first fit, sizes rounded up so that freed room is reused by sets of similar size.

/** Cells reserved for `count` endpoints: a power of two up to 64, then multiples of 64. */
export function extentSize(count: number): number {
  if (count <= 0) return 0;
  if (count > 64) return Math.ceil(count / 64) * 64;
  return 2 ** Math.ceil(Math.log2(count));
}

/** Which cells are reserved. What was read back may overlap, so each cell counts the extents that reserve it. */
export class ArenaCells {
  #uses = new Uint16Array(1024);
  /** No cell below it is free. */
  #lowestFree = 0;

  reserve(offset: number, count: number): void {
    const end = offset + extentSize(count);
    if (end > this.#uses.length) {
      const larger = new Uint16Array(Math.max(end, this.#uses.length * 2));
      larger.set(this.#uses);
      this.#uses = larger;
    }
    for (let cell = offset; cell < end; cell++) this.#uses[cell] = (this.#uses[cell] ?? 0) + 1;
  }

  free(offset: number, count: number): void {
    const end = offset + extentSize(count);
    for (let cell = offset; cell < end; cell++) this.#uses[cell] = (this.#uses[cell] ?? 1) - 1;
    this.#lowestFree = Math.min(this.#lowestFree, offset);
  }

  /** The lowest offset of `size` free cells in an arena of `limit` cells, or undefined. */
  find(size: number, limit: number): number | undefined {
    const uses = this.#uses;
    let start = this.#nextFree(this.#lowestFree);
    this.#lowestFree = start;
    while (start + size <= limit) {
      let end = start;
      while (end < start + size && end < uses.length && uses[end] === 0) end++;
      if (end === start + size || end >= uses.length) return start;
      start = this.#nextFree(end);
    }
    return undefined;
  }

  clear(): void {
    this.#uses.fill(0);
    this.#lowestFree = 0;
  }

  #nextFree(from: number): number {
    const found = this.#uses.indexOf(0, from);
    return found === -1 ? Math.max(from, this.#uses.length) : found;
  }
}

/** What one plan takes of the arena; it must be closed when the plan is made. */
export class ArenaRoom {
  readonly #cells: ArenaCells;
  readonly #limit: number;
  readonly #taken: { readonly offset: number; readonly count: number }[] = [];

  constructor(cells: ArenaCells, limit: number) {
    this.#cells = cells;
    this.#limit = limit;
  }

  /** The offset of a new extent, or undefined when no gap is large enough. */
  allocate(count: number): number | undefined {
    const offset = this.#cells.find(extentSize(count), this.#limit);
    if (offset === undefined) return undefined;
    this.#cells.reserve(offset, count);
    this.#taken.push({ offset, count });
    return offset;
  }

  /** Gives all of it back: what is carried out is reserved by its write. */
  close(): void {
    for (const { offset, count } of this.#taken.splice(0)) this.#cells.free(offset, count);
  }
}

/** Lowest indices that are not in use; 0 means absent. */
export class FreeIndices {
  readonly #freeFrom: (index: number) => number;
  readonly #size: number;
  #next = 1;

  /** `freeFrom`: the lowest that is not in use, from this one on. */
  constructor(size: number, freeFrom: (index: number) => number) {
    this.#size = size;
    this.#freeFrom = freeFrom;
  }

  allocate(): number | undefined {
    const index = this.#freeFrom(this.#next);
    if (index >= this.#size) return undefined;
    this.#next = index + 1;
    return index;
  }
}
