// SPDX-License-Identifier: Apache-2.0
// Keeps texts that many objects repeat (names of nodes and zones, port lists) once, with what was made of each.

/** More different ones than this are a sign that they do not repeat; forgetting them costs memory, never meaning. */
const MOST_KEPT = 50_000;

export class TextPool<T> {
  readonly #made = new Map<string, T>();
  readonly #make: (text: string) => T;

  /** `make` must depend on the text alone, and what it makes must not be changed. */
  constructor(make: (text: string) => T) {
    this.#make = make;
  }

  get(text: string): T {
    const known = this.#made.get(text);
    if (known !== undefined) return known;
    if (this.#made.size >= MOST_KEPT) this.#made.clear();
    const made = this.#make(text);
    this.#made.set(text, made);
    return made;
  }
}
