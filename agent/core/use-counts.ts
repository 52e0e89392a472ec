// SPDX-License-Identifier: Apache-2.0
// Counts how many refer to each numbered thing.

/** Of things whose numbers may be anything. */
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

/** Of things that are numbered from 0 on: four bytes for each. */
export class DenseUseCounts {
  #uses = new Uint32Array(64);

  has(id: number): boolean {
    return this.get(id) > 0;
  }

  get(id: number): number {
    return this.#uses[id] ?? 0;
  }

  increment(id: number): void {
    if (id >= this.#uses.length) {
      const larger = new Uint32Array(Math.max(id + 1, this.#uses.length * 2));
      larger.set(this.#uses);
      this.#uses = larger;
    }
    this.#uses[id] = this.get(id) + 1;
  }

  /** True when the last use is gone. */
  decrement(id: number): boolean {
    const left = this.get(id) - 1;
    if (left >= 0) this.#uses[id] = left;
    return left <= 0;
  }

  clear(): void {
    this.#uses = new Uint32Array(64);
  }
}
