// SPDX-License-Identifier: Apache-2.0
// Finds room for extents in the arena: first fit, sizes rounded up so that freed room is reused by sets of similar size.

/** Cells reserved for `count` endpoints: a power of two up to 64, then multiples of 64. */
export function extentSize(count: number): number {
  if (count <= 0) return 0;
  if (count > 64) return Math.ceil(count / 64) * 64;
  return 2 ** Math.ceil(Math.log2(count));
}

/** The free room of one arena while a plan is made; allocations are only visible to this plan. */
export class ArenaRoom {
  readonly #gaps: { offset: number; size: number }[] = [];

  /** `occupied` maps the offset of each extent in use, or in its grace, to its number of endpoints. */
  constructor(cells: number, occupied: Iterable<readonly [offset: number, count: number]>) {
    let end = 0;
    for (const [offset, count] of [...occupied].sort(([a], [b]) => a - b)) {
      if (offset > end) this.#gaps.push({ offset: end, size: offset - end });
      end = Math.max(end, offset + extentSize(count));
    }
    if (end < cells) this.#gaps.push({ offset: end, size: cells - end });
  }

  /** The offset of a new extent, or undefined when no gap is large enough. */
  allocate(count: number): number | undefined {
    const size = extentSize(count);
    const index = this.#gaps.findIndex((gap) => gap.size >= size);
    const gap = this.#gaps[index];
    if (!gap) return undefined;
    const { offset } = gap;
    gap.offset += size;
    gap.size -= size;
    if (gap.size === 0) this.#gaps.splice(index, 1);
    return offset;
  }
}

/** Lowest indices from 1 on that are not in use; 0 means absent. */
export class FreeIndices {
  readonly #isUsed: (index: number) => boolean;
  readonly #size: number;
  #next = 1;

  constructor(size: number, isUsed: (index: number) => boolean) {
    this.#size = size;
    this.#isUsed = isUsed;
  }

  allocate(): number | undefined {
    while (this.#next < this.#size && this.#isUsed(this.#next)) this.#next++;
    return this.#next < this.#size ? this.#next++ : undefined;
  }
}
