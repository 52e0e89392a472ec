// SPDX-License-Identifier: Apache-2.0
// Finds in what the kernel holds: the id of a backend, the extent of a set of endpoints, and what is free, each in one look-up.

import { ArenaCells } from "./arena.ts";
import { BackendNumbers } from "./backend-numbers.ts";
import type { Backend } from "./operation.ts";

export class MirrorIndex {
  readonly cells = new ArenaCells();
  readonly #ids = new BackendNumbers();
  readonly #offsets = new Map<string, number[]>();
  #usedCells = 0;
  /** One byte for each id: a search through many is one call. */
  #usedBackends = new Uint8Array(1024);
  #lowestFreeBackend = 1;

  /** Cells that hold a backend's id, without what is reserved beside them. */
  get usedCells(): number {
    return this.#usedCells;
  }

  /** The lowest free backend id, from this one on. */
  freeBackendFrom(id: number): number {
    const isWhole = id <= this.#lowestFreeBackend;
    const from = isWhole ? this.#lowestFreeBackend : id;
    const found = this.#usedBackends.indexOf(0, from);
    const free = found === -1 ? Math.max(from, this.#usedBackends.length) : found;
    if (isWhole) this.#lowestFreeBackend = free;
    return free;
  }

  idOf(backend: Backend): number | undefined {
    return this.#ids.get(backend);
  }

  /** The lowest offset of an extent whose every backend is present and which offers this set, as `contentsOf` writes it. */
  offsetOf(contents: string): number | undefined {
    const offsets = this.#offsets.get(contents);
    return offsets && Math.min(...offsets);
  }

  addBackend(id: number, backend: Backend): void {
    this.#ids.set(backend, id);
    if (id >= this.#usedBackends.length) {
      const larger = new Uint8Array(Math.max(id + 1, this.#usedBackends.length * 2));
      larger.set(this.#usedBackends);
      this.#usedBackends = larger;
    }
    this.#usedBackends[id] = 1;
  }

  removeBackend(id: number, backend: Backend): void {
    if (this.#ids.get(backend) === id) this.#ids.delete(backend);
    this.#usedBackends[id] = 0;
    this.#lowestFreeBackend = Math.min(this.#lowestFreeBackend, id);
  }

  addExtent(offset: number, count: number, contents: string | undefined): void {
    this.cells.reserve(offset, count);
    this.#usedCells += count;
    if (contents === undefined) return;
    const known = this.#offsets.get(contents);
    if (known) known.push(offset);
    else this.#offsets.set(contents, [offset]);
  }

  removeExtent(offset: number, count: number, contents: string | undefined): void {
    this.cells.free(offset, count);
    this.#usedCells -= count;
    const known = contents === undefined ? undefined : this.#offsets.get(contents);
    if (contents === undefined || !known) return;
    const left = known.filter((each) => each !== offset);
    if (left.length > 0) this.#offsets.set(contents, left);
    else this.#offsets.delete(contents);
  }

  clear(): void {
    this.cells.clear();
    this.#ids.clear();
    this.#offsets.clear();
    this.#usedCells = 0;
    this.#usedBackends = new Uint8Array(1024);
    this.#lowestFreeBackend = 1;
  }
}
