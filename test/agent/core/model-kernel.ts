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
  type SourceRange,
  sourceRangeId,
} from "../../../agent/core/operation.ts";

/** What a frontend does for its clients. */
export interface Meaning extends Omit<FrontendEntry, "selection" | "externalSelection"> {
  readonly backends: readonly string[];
  readonly external: readonly string[];
  readonly admits: "all" | readonly string[];
}

export class ModelKernel {
  readonly capacity: Capacity;
  readonly frontends = new Map<string, { key: FrontendKey; entry: FrontendEntry }>();
  readonly selections = new Map<number, Selection>();
  readonly backends = new Map<number, Backend>();
  readonly sourceRanges = new Map<string, SourceRange>();
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
      case "mark-backend": {
        const backend = this.backends.get(operation.id);
        if (!backend) throw new Error("marks an absent backend");
        const { address, port, protocol } = backend;
        this.backends.set(operation.id, { address, port, protocol, ...(operation.gone && { gone: true }) });
        break;
      }
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
      case "upsert-source-range":
        this.sourceRanges.set(sourceRangeId(operation.range), operation.range);
        if (this.sourceRanges.size > this.capacity.sourceRanges) throw new Error("source ranges map overflows");
        break;
      case "delete-source-range":
        if (!this.sourceRanges.delete(sourceRangeId(operation.range)))
          throw new Error("deletes an absent source range");
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
      sourceRanges: new Map(this.sourceRanges),
    };
  }

  /** Every backend that a new connection to this frontend may get; throws where a program would find nothing. */
  lookup(id: string, from: "selection" | "externalSelection"): readonly string[] {
    const found = this.frontends.get(id);
    if (!found) throw new Error(`${id}: no such frontend`);
    const selection = this.selections.get(found.entry[from]);
    if (!selection) throw new Error(`${id}: ${from} ${found.entry[from]} is absent`);
    const backends: string[] = [];
    for (let cell = selection.offset; cell < selection.offset + selection.count; cell++) {
      const backend = this.backends.get(this.arena[cell] ?? 0);
      if (!backend) throw new Error(`${id}: backend ${this.arena[cell]} in cell ${cell} is absent`);
      if (backend.gone === true) throw new Error(`${id}: backend ${this.arena[cell]} in cell ${cell} has gone`);
      backends.push(backendId(backend));
    }
    return backends.sort();
  }

  /** What is served, without the indices that history has chosen. */
  meaning(): Record<string, Meaning> {
    const meaning: Record<string, Meaning> = {};
    for (const [id, { entry }] of [...this.frontends].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const { selection: _, externalSelection: __, ...rest } = entry;
      meaning[id] = {
        ...rest,
        backends: this.lookup(id, "selection"),
        external: this.lookup(id, "externalSelection"),
        admits: entry.sourceRanges ? this.rangesOf(entry.service) : "all",
      };
    }
    return meaning;
  }

  rangesOf(service: number): string[] {
    return [...this.sourceRanges.values()].flatMap((range) => (range.service === service ? range.cidr : [])).sort();
  }

  #inRange(what: string, id: number, size: number): void {
    if (id < 1 || id >= size) throw new Error(`${what} ${id} is outside 1..${size - 1}`);
  }
}
