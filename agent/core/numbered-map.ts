// SPDX-License-Identifier: Apache-2.0
// A map whose keys are whole numbers from 0 on, most of them in use: eight bytes for each, and no moment at which all are moved.

export class NumberedMap<T extends object> implements ReadonlyMap<number, T> {
  readonly #values: (T | undefined)[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has(number: number): boolean {
    return this.#values[number] !== undefined;
  }

  get(number: number): T | undefined {
    return this.#values[number];
  }

  set(number: number, value: T): void {
    // Without a gap, so that it stays an array to the engine.
    while (this.#values.length <= number) this.#values.push(undefined);
    if (this.#values[number] === undefined) this.#size++;
    this.#values[number] = value;
  }

  delete(number: number): void {
    if (this.#values[number] === undefined) return;
    this.#values[number] = undefined;
    this.#size--;
  }

  clear(): void {
    this.#values.length = 0;
    this.#size = 0;
  }

  /** By number. */
  *entries(): Generator<[number, T], undefined> {
    for (let number = 0; number < this.#values.length; number++) {
      const value = this.#values[number];
      if (value !== undefined) yield [number, value];
    }
    return undefined;
  }

  *keys(): Generator<number, undefined> {
    for (const [number] of this) yield number;
    return undefined;
  }

  *values(): Generator<T, undefined> {
    for (const [, value] of this) yield value;
    return undefined;
  }

  forEach(callback: (value: T, number: number, map: ReadonlyMap<number, T>) => void): void {
    for (const [number, value] of this) callback(value, number, this);
  }

  [Symbol.iterator](): Generator<[number, T], undefined> {
    return this.entries();
  }
}
