// SPDX-License-Identifier: Apache-2.0
// Counts how many refer to each numbered thing.

export class UseCounts {
  readonly #uses = new Map<number, number>();

  has(id: number): boolean {
    return this.#uses.has(id);
  }

  get(id: number): number {
    return this.#uses.get(id) ?? 0;
  }

  increment(id: number): void {
    this.#uses.set(id, this.get(id) + 1);
  }

  /** True when the last use is gone. */
  decrement(id: number): boolean {
    const left = this.get(id) - 1;
    if (left > 0) this.#uses.set(id, left);
    else this.#uses.delete(id);
    return left <= 0;
  }

  clear(): void {
    this.#uses.clear();
  }
}
