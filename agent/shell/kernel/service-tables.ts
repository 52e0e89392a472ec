// SPDX-License-Identifier: Apache-2.0
// Frontends, selections, arena, backends and source ranges in the kernel: read back whole, written one operation at a time.
import type {
  Backend,
  FrontendEntry,
  FrontendKey,
  KernelState,
  Operation,
  Selection,
  SourceRange,
} from "../../core/operation.ts";
import { frontendId, sourceRangeId } from "../../core/operation.ts";
import {
  BACKEND_BYTES,
  BACKEND_PROTOCOL_OFFSET,
  decodeBackend,
  decodeFrontend,
  decodeFrontendKey,
  decodeSelection,
  decodeSourceRange,
  encodeBackend,
  encodeFrontend,
  encodeFrontendKey,
  encodeSelection,
  encodeSourceRange,
} from "../../maps/service-layout.ts";
import type { HashMap } from "./hash-map.ts";
import { KernelError } from "./kernel-error.ts";
import type { MappedArray } from "./mapped-array.ts";

const sourceRangeValue = Buffer.from([1, 0, 0, 0]);

/** The maps that hold Services. */
export class ServiceTables {
  readonly #frontends: HashMap;
  readonly #selections: MappedArray;
  readonly #arena: MappedArray;
  readonly #backends: MappedArray;
  readonly #sourceRanges: HashMap;

  constructor(
    frontends: HashMap,
    selections: MappedArray,
    arena: MappedArray,
    backends: MappedArray,
    sourceRanges: HashMap,
  ) {
    this.#frontends = frontends;
    this.#selections = selections;
    this.#arena = arena;
    this.#backends = backends;
    this.#sourceRanges = sourceRanges;
  }

  read(): KernelState {
    const frontends = new Map<string, { key: FrontendKey; entry: FrontendEntry }>();
    for (const [keyBytes, value] of this.#frontends.entries()) {
      const key = decodeFrontendKey(keyBytes);
      frontends.set(frontendId(key), { key, entry: decodeFrontend(value) });
    }
    const selections = this.#readSelections(frontends.values());
    return {
      frontends,
      selections,
      extents: this.#readExtents(selections),
      backends: this.#readBackends(),
      sourceRanges: this.#readSourceRanges(),
    };
  }

  /** A cell of zeros is no selection, unless a frontend says that it is one. */
  #readSelections(frontends: Iterable<{ readonly entry: FrontendEntry }>): Map<number, Selection> {
    const selections = new Map<number, Selection>();
    for (const { words, first } of this.#selections.scan()) {
      for (const [index, word] of words.entries())
        if (word !== 0n) selections.set(first + index, decodeSelection(word));
    }
    for (const { entry } of frontends) {
      for (const id of [entry.selection, entry.externalSelection]) {
        if (!selections.has(id)) selections.set(id, decodeSelection(0n));
      }
    }
    return selections;
  }

  /** An extent that reaches past the end is read as far as there are cells. */
  #readExtents(selections: ReadonlyMap<number, Selection>): Map<number, readonly number[]> {
    const extents = new Map<number, readonly number[]>();
    for (const { offset, count } of selections.values()) {
      if (count === 0 || (extents.get(offset)?.length ?? 0) >= count) continue;
      const end = Math.min(offset + count, this.#arena.length);
      const ids: number[] = [];
      for (let cell = offset; cell < end; ) {
        const { bytes, first, end: windowEnd } = this.#arena.window(cell);
        for (; cell < Math.min(end, windowEnd); cell++)
          ids.push(bytes.readUInt32LE((cell - first) * this.#arena.stride));
      }
      extents.set(offset, ids.slice());
    }
    return extents;
  }

  #readBackends(): Map<number, Backend> {
    const backends = new Map<number, Backend>();
    const { stride } = this.#backends;
    for (const { bytes, first } of this.#backends.scan()) {
      for (let at = 0; at < bytes.length; at += stride) {
        if (bytes[at + BACKEND_PROTOCOL_OFFSET] === 0) continue;
        const [id, backend] = [first + at / stride, decodeBackend(bytes.subarray(at, at + BACKEND_BYTES))];
        if (id > 0 && backend !== undefined) backends.set(id, backend);
      }
    }
    return backends;
  }

  #readSourceRanges(): Map<string, SourceRange> {
    const ranges = [...this.#sourceRanges.walk()].map(([key]) => decodeSourceRange(key));
    return new Map(ranges.map((range) => [sourceRangeId(range), range]));
  }

  apply(operation: Operation): void {
    switch (operation.kind) {
      case "write-backend":
        this.#writeBackend(operation.id, encodeBackend(operation.backend));
        break;
      case "clear-backend":
        this.#writeBackend(operation.id, Buffer.alloc(BACKEND_BYTES));
        break;
      case "write-extent":
        this.#writeExtent(operation.offset, operation.backendIds);
        break;
      case "flip-selection":
        this.#selections.storeWord(operation.id, encodeSelection(operation.selection));
        break;
      case "clear-selection":
        this.#selections.storeWord(operation.id, 0n);
        break;
      case "upsert-frontend":
        this.#frontends.set(encodeFrontendKey(operation.key), encodeFrontend(operation.entry));
        break;
      case "delete-frontend":
        this.#frontends.delete(encodeFrontendKey(operation.key));
        break;
      case "upsert-source-range":
        this.#sourceRanges.set(encodeSourceRange(operation.range), sourceRangeValue);
        break;
      case "delete-source-range":
        this.#sourceRanges.delete(encodeSourceRange(operation.range));
        break;
    }
  }

  /** Absent while it changes: its protocol goes first and comes last. */
  #writeBackend(id: number, value: Buffer): void {
    if (id === 0) throw new KernelError("backend id 0 means absent and cannot be written; ids begin at 1");
    const { bytes, words, first } = this.#backends.window(id);
    const at = (id - first) * this.#backends.stride;
    const last = (at + BACKEND_BYTES) / 8 - 1;
    Atomics.store(words, last, 0n);
    value.copy(bytes, at, 0, BACKEND_BYTES - 8);
    Atomics.store(words, last, value.readBigUInt64LE(BACKEND_BYTES - 8));
  }

  #writeExtent(offset: number, backendIds: readonly number[]): void {
    if (backendIds.length === 0) return;
    const { stride } = this.#arena;
    // Whether it fits is asked before anything is written.
    this.#arena.window(offset + backendIds.length - 1);
    let window = this.#arena.window(offset);
    for (const [index, id] of backendIds.entries()) {
      const cell = offset + index;
      if (cell >= window.end) window = this.#arena.window(cell);
      window.bytes.writeUInt32LE(id, (cell - window.first) * stride);
    }
  }
}
