// SPDX-License-Identifier: Apache-2.0
// A kernel in memory for tests: arrays and a hash as the maps are, a look-up as the programs do it, and no mercy for misuse.

import {
  type Backend,
  backendId,
  type Capacity,
  type FrontendEntry,
  type FrontendKey,
  frontendId,
  type KernelState,
  type Operation,
  type Selection,
} from "../../../agent/core/operation.ts";

export class ModelKernel {
  readonly capacity: Capacity;
  readonly frontends = new Map<string, { key: FrontendKey; entry: FrontendEntry }>();
  readonly selections = new Map<number, Selection>();
  readonly backends = new Map<number, Backend>();
  readonly arena: Uint32Array;

  constructor(capacity: Capacity) {
    this.capacity = capacity;
    this.arena = new Uint32Array(capacity.arena);
  }

  apply(operation: Operation): void {
    switch (operation.kind) {
      case "write-backend":
        this.#inRange("backend", operation.id, this.capacity.backends);
        this.backends.set(operation.id, operation.backend);
        break;
      case "write-extent":
        if (operation.offset + operation.backendIds.length > this.arena.length)
          throw new Error("extent past the arena");
        this.arena.set(operation.backendIds, operation.offset);
        break;
      case "flip-selection":
        this.#inRange("selection", operation.id, this.capacity.selections);
        if (operation.selection.generation < 1 || operation.selection.generation > 65_535)
          throw new Error(`generation ${operation.selection.generation}`);
        this.selections.set(operation.id, operation.selection);
        break;
      case "upsert-frontend":
        this.frontends.set(frontendId(operation.key), { key: operation.key, entry: operation.entry });
        if (this.frontends.size > this.capacity.frontends) throw new Error("frontends map overflows");
        break;
      case "delete-frontend":
        if (!this.frontends.delete(frontendId(operation.key))) throw new Error("deletes an absent frontend");
        break;
      case "clear-selection":
        if (!this.selections.delete(operation.id)) throw new Error("clears an absent selection");
        break;
      case "clear-backend":
        if (!this.backends.delete(operation.id)) throw new Error("clears an absent backend");
        break;
    }
  }

  read(): KernelState {
    const extents = new Map<number, readonly number[]>();
    for (const { offset, count } of this.selections.values()) {
      if (count > 0) extents.set(offset, [...this.arena.subarray(offset, offset + count)]);
    }
    return {
      frontends: new Map(this.frontends),
      selections: new Map(this.selections),
      extents,
      backends: new Map(this.backends),
    };
  }

  /** Every backend that a new connection to this frontend may get; throws where a program would find nothing. */
  lookup(id: string): readonly string[] {
    const found = this.frontends.get(id);
    if (!found) throw new Error(`${id}: no such frontend`);
    const selection = this.selections.get(found.entry.selection);
    if (!selection) throw new Error(`${id}: selection ${found.entry.selection} is absent`);
    const backends: string[] = [];
    for (let cell = selection.offset; cell < selection.offset + selection.count; cell++) {
      const backend = this.backends.get(this.arena[cell] ?? 0);
      if (!backend) throw new Error(`${id}: backend ${this.arena[cell]} in cell ${cell} is absent`);
      backends.push(backendId(backend));
    }
    return backends.sort();
  }

  /** What is served, without the indices that history has chosen. */
  meaning(): Record<string, { scope: string; service: number; backends: readonly string[] }> {
    const meaning: ReturnType<ModelKernel["meaning"]> = {};
    for (const [id, { entry }] of [...this.frontends].sort(([a], [b]) => (a < b ? -1 : 1))) {
      meaning[id] = { scope: entry.scope, service: entry.service, backends: this.lookup(id) };
    }
    return meaning;
  }

  #inRange(what: string, id: number, size: number): void {
    if (id < 1 || id >= size) throw new Error(`${what} ${id} is outside 1..${size - 1}`);
  }
}
