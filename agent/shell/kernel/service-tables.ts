// SPDX-License-Identifier: Apache-2.0
// Frontends, selections, arena, backends and source ranges in the kernel: read back whole, written one operation at a time.
import { sameEntry } from "../../core/frontend-entry.ts";
import type {
  Backend,
  FrontendEntry,
  FrontendKey,
  KernelState,
  Operation,
  Selection,
  SourceRange,
} from "../../core/operation.ts";
import { frontendId, sameCell, sourceRangeId } from "../../core/operation.ts";
import type { Steps } from "../../core/steps.ts";
import {
  BACKEND_BYTES,
  BACKEND_FLAGS_OFFSET,
  BACKEND_PROTOCOL_OFFSET,
  backendFlags,
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

const ENTRIES_OF_A_STEP = 500;
const sourceRangeValue = Buffer.from([1, 0, 0, 0]);
const absentBackend = Buffer.alloc(BACKEND_BYTES);
/** Of the backend that is being written: tens of thousands are at a start, and none needs bytes of its own. */
const backendBytes = Buffer.alloc(BACKEND_BYTES);

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
      backends: new Map(this.#presentBackends()),
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
      extents.set(offset, this.#cellsAt(offset, count));
    }
    return extents;
  }

  #cellsAt(offset: number, count: number): readonly number[] {
    const { stride, length } = this.#arena;
    const end = Math.min(offset + count, length);
    const ids = new Array<number>(Math.max(0, end - offset));
    for (let cell = offset; cell < end; ) {
      const { bytes, first, end: windowEnd } = this.#arena.window(cell);
      for (; cell < Math.min(end, windowEnd); cell++) ids[cell - offset] = bytes.readUInt32LE((cell - first) * stride);
    }
    return ids;
  }

  *#presentBackends(): Iterable<[id: number, backend: Backend]> {
    const { stride } = this.#backends;
    for (const { bytes, first } of this.#backends.scan()) {
      for (let at = 0; at < bytes.length; at += stride) {
        if (bytes[at + BACKEND_PROTOCOL_OFFSET] === 0) continue;
        const [id, backend] = [first + at / stride, decodeBackend(bytes.subarray(at, at + BACKEND_BYTES))];
        if (id > 0 && backend !== undefined) yield [id, backend];
      }
    }
  }

  #readSourceRanges(): Map<string, SourceRange> {
    const ranges = [...this.#sourceRanges.walk()].map(([key]) => decodeSourceRange(key));
    return new Map(ranges.map((range) => [sourceRangeId(range), range]));
  }

  *holds(state: KernelState): Steps<boolean> {
    return (
      (yield* this.#holdsFrontends(state)) &&
      (yield* this.#holdsSelections(state)) &&
      (yield* this.#holdsExtents(state)) &&
      (yield* this.#holdsBackends(state)) &&
      this.#holdsSourceRanges(state)
    );
  }

  *#holdsFrontends({ frontends }: KernelState): Steps<boolean> {
    let found = 0;
    for (const [keyBytes, value] of this.#frontends.entries()) {
      const known = frontends.get(frontendId(decodeFrontendKey(keyBytes)));
      if (!known || !sameEntry(known.entry, decodeFrontend(value))) return false;
      if (++found % ENTRIES_OF_A_STEP === 0) yield;
    }
    return found === frontends.size;
  }

  *#holdsSelections({ selections }: KernelState): Steps<boolean> {
    for (const { words, first } of this.#selections.scan()) {
      for (let index = 0; index < words.length; index++) {
        const known = selections.get(first + index);
        if (words[index] !== (known ? encodeSelection(known) : 0n)) return false;
      }
      yield;
    }
    return true;
  }

  *#holdsExtents({ selections, extents }: KernelState): Steps<boolean> {
    let cells = 0;
    for (const { offset, count } of selections.values()) {
      if (count === 0) continue;
      const ids = extents.get(offset);
      if (!ids || !this.#cellsAt(offset, count).every((id, index) => id === ids[index])) return false;
      cells += count;
      if (cells < ENTRIES_OF_A_STEP) continue;
      cells = 0;
      yield;
    }
    return true;
  }

  *#holdsBackends({ backends }: KernelState): Steps<boolean> {
    let found = 0;
    for (const [id, backend] of this.#presentBackends()) {
      const known = backends.get(id);
      if (!known || !sameCell(known, backend)) return false;
      if (++found % ENTRIES_OF_A_STEP === 0) yield;
    }
    return found === backends.size;
  }

  #holdsSourceRanges({ sourceRanges }: KernelState): boolean {
    const found = this.#readSourceRanges();
    return found.size === sourceRanges.size && [...found.keys()].every((id) => sourceRanges.has(id));
  }

  apply(operation: Operation): void {
    switch (operation.kind) {
      case "write-backend":
        this.#writeBackend(operation.id, encodeBackend(operation.backend, backendBytes));
        break;
      case "mark-backend":
        this.#markBackend(operation.id, operation.gone);
        break;
      case "clear-backend":
        this.#writeBackend(operation.id, absentBackend);
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
    for (let index = 0; index < BACKEND_BYTES - 8; index++) bytes[at + index] = value[index] ?? 0;
    Atomics.store(words, last, value.readBigUInt64LE(BACKEND_BYTES - 8));
  }

  /** Nothing else of it changes, so that it can be chosen meanwhile. */
  #markBackend(id: number, gone: boolean): void {
    const { bytes, first } = this.#backends.window(id);
    bytes[(id - first) * this.#backends.stride + BACKEND_FLAGS_OFFSET] = backendFlags(gone);
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
