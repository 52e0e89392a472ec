// SPDX-License-Identifier: Apache-2.0
// Plans the writes that make a selection offer a set of endpoints, beside what the kernel holds, and last of all flip to it.

import { ArenaRoom, FreeIndices } from "./arena.ts";
import { BackendNumbers } from "./backend-numbers.ts";
import type { DesiredSelection } from "./desired-state.ts";
import type { KernelMirror } from "./kernel-mirror.ts";
import { maglevTable } from "./maglev.ts";
import { type Backend, backendId, type Capacity, type Operation } from "./operation.ts";

/** Writes endpoint sets: reuses backends and equal extents that the kernel holds, and never overwrites one in use. */
export class SelectionWriter {
  readonly #mirror: KernelMirror;
  readonly #room: ArenaRoom;
  readonly #freeBackends: FreeIndices;
  /** Of what this plan writes, beside what the kernel holds. */
  readonly #newIds = new BackendNumbers();
  readonly #newOffsets = new Map<string, number>();
  readonly #used = new Set<number>();
  readonly #returned = new Set<number>();

  constructor(mirror: KernelMirror, capacity: Capacity) {
    this.#mirror = mirror;
    this.#room = new ArenaRoom(mirror.index.cells, capacity.arena);
    this.#freeBackends = new FreeIndices(capacity.backends, (from) => mirror.index.freeBackendFrom(from));
  }

  /** Nothing more is planned with it. */
  close(): void {
    this.#room.close();
  }

  usesBackend(id: number): boolean {
    return this.#used.has(id);
  }

  /** The writes that make selection `id` offer this set (none when it does, but for marks), or undefined when there is no room yet. */
  write(id: number, selection: DesiredSelection): Operation[] | undefined {
    const held = this.#mirror.selections.get(id);
    if (held && this.#mirror.contentsAt(held) === selection.contents) return this.#keep(this.#idsOf(selection));
    const count = selection.cells;
    const generation = ((held?.generation ?? 0) % 65_535) + 1;
    const flip = (offset: number): Operation => ({
      kind: "flip-selection",
      id,
      selection: { offset, count, generation },
    });
    if (count === 0) return [flip(0)];
    const known = this.#newOffsets.get(selection.contents) ?? this.#mirror.index.offsetOf(selection.contents);
    if (known !== undefined) return [...this.#keep(this.#idsOf(selection)), flip(known)];
    return this.#writeExtent(selection, flip);
  }

  #writeExtent(selection: DesiredSelection, flip: (offset: number) => Operation): Operation[] | undefined {
    const writes: Operation[] = [];
    const ids: number[] = [];
    for (const backend of selection.backends) {
      const known = this.#idOf(backend);
      const id = known ?? this.#freeBackends.allocate();
      if (id === undefined) return this.#giveUp(writes);
      if (known === undefined) {
        this.#newIds.set(backend, id);
        writes.push({ kind: "write-backend", id, backend });
      }
      ids.push(id);
    }
    const cells = spread(selection, ids);
    const offset = this.#room.allocate(cells.length);
    if (offset === undefined) return this.#giveUp(writes);
    writes.push(...this.#keep(ids));
    this.#newOffsets.set(selection.contents, offset);
    return [...writes, { kind: "write-extent", offset, backendIds: cells, contents: selection.contents }, flip(offset)];
  }

  /** The ids stay unwritten in this plan: no other extent may rely on them. */
  #giveUp(writes: readonly Operation[]): undefined {
    for (const write of writes) if (write.kind === "write-backend") this.#newIds.delete(write.backend);
    return undefined;
  }

  #idOf(backend: Backend): number | undefined {
    return this.#mirror.index.idOf(backend) ?? this.#newIds.get(backend);
  }

  /** All of them are known. */
  #idsOf({ backends }: DesiredSelection): number[] {
    return backends.map((backend) => this.#idOf(backend) ?? 0);
  }

  /** Takes them for used; the writes take the mark from those that have come back. */
  #keep(ids: readonly number[]): Operation[] {
    const writes: Operation[] = [];
    for (const id of ids) {
      this.#used.add(id);
      if (this.#mirror.backends.get(id)?.gone !== true || this.#returned.has(id)) continue;
      this.#returned.add(id);
      writes.push({ kind: "mark-backend", id, gone: false });
    }
    return writes;
  }
}

/** The extent's cells: each backend's id once, or as often as its Maglev table says. */
function spread({ backends, cells }: DesiredSelection, ids: readonly number[]): readonly number[] {
  if (cells === ids.length) return ids;
  return Array.from(maglevTable(backends.map(backendId), cells), (backend) => ids[backend] ?? 0);
}
