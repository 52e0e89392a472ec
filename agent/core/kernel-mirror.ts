// SPDX-License-Identifier: Apache-2.0
// What the kernel is known to hold, kept in step with every write, and since when each unreferenced part has been idle.

import { extentContents } from "./extent-contents.ts";
import { MirrorIndex } from "./mirror-index.ts";
import { NumberedMap } from "./numbered-map.ts";
import {
  type Backend,
  backendId,
  type FrontendEntry,
  type FrontendKey,
  frontendId,
  isDatagram,
  type KernelState,
  type Operation,
  type Protocol,
  type Selection,
  type SourceRange,
  sourceRangeId,
} from "./operation.ts";
import { DenseUseCounts, UseCounts } from "./use-counts.ts";

/**
 * A packet that looked up the old value may still be on its way through a program: what nothing refers to any more is
 * overwritten or cleared only this long after.
 */
export const GRACE_MS = 1500;

export class KernelMirror implements KernelState {
  readonly frontends = new Map<string, { key: FrontendKey; entry: FrontendEntry }>();
  readonly selections = new Map<number, Selection>();
  /** Also extents that no selection refers to, until their grace is over. */
  readonly extents = new Map<number, readonly number[]>();
  readonly backends = new NumberedMap<Backend>();
  readonly sourceRanges = new Map<string, SourceRange>();
  /** Since when (ms, any monotonic clock) nothing refers to them; those that have been idle for longest come first. */
  readonly idleSelections = new Map<number, number>();
  readonly idleExtents = new Map<number, number>();
  readonly idleBackends = new Map<number, number>();
  /** Of UDP: no frontend leads to them, and they are not marked as gone. They are not idle before that. */
  readonly leftBackends = new Set<number>();

  readonly index = new MirrorIndex();
  readonly #contents = new Map<number, string>();
  readonly #selectionUses = new DenseUseCounts();
  readonly #extentUses = new DenseUseCounts();
  readonly #backendUses = new DenseUseCounts();
  /** Only what frontends lead to: selections by extent, extents by backend. */
  readonly #extentOffers = new DenseUseCounts();
  readonly #backendOffers = new DenseUseCounts();
  readonly #rangesOfService = new UseCounts();
  /** Frontends of a service that have `sourceRanges` set. */
  readonly #askers = new UseCounts();
  readonly #frontendsOfProtocol = new UseCounts();

  constructor(state: KernelState, now: number) {
    this.adopt(state, now);
  }

  /** Takes what was read back as the truth; extents in their grace stay reserved. */
  adopt(state: KernelState, now: number): void {
    const reserved = [...this.idleExtents].map(([offset, since]) => ({ offset, since, ids: this.extents.get(offset) }));
    const since = { selections: new Map(this.idleSelections), backends: new Map(this.idleBackends) };
    for (const map of this.#all()) map.clear();
    for (const [id, backend] of state.backends) {
      this.#setBackend(id, backend);
      this.#unuseBackend(id, since.backends.get(id) ?? now);
    }
    for (const [offset, ids] of state.extents) this.#addExtent(offset, ids, now);
    for (const { offset, since, ids } of reserved)
      if (ids && !this.extents.has(offset)) this.#addExtent(offset, ids, since);
    for (const [id, selection] of state.selections) {
      this.selections.set(id, selection);
      this.idleSelections.set(id, since.selections.get(id) ?? now);
      this.#useExtent(selection);
    }
    for (const [id, { key, entry }] of state.frontends) {
      this.frontends.set(id, { key, entry });
      this.#frontendsOfProtocol.increment(key.protocol);
      this.#useSelections(entry);
    }
    for (const range of state.sourceRanges.values()) this.#addRange(range);
    for (const idle of this.#idle()) sortByTime(idle);
  }

  /** Takes note of an operation that the kernel has carried out. */
  record(operation: Operation, now: number): void {
    switch (operation.kind) {
      case "write-backend":
        this.#setBackend(operation.id, operation.backend);
        this.#unuseBackend(operation.id, now);
        break;
      case "mark-backend":
        this.#markBackend(operation.id, operation.gone);
        this.#unuseBackend(operation.id, now);
        break;
      case "write-extent":
        this.#dropExtent(operation.offset, now);
        this.#addExtent(operation.offset, operation.backendIds, now, operation.contents);
        break;
      case "flip-selection": {
        const old = this.selections.get(operation.id);
        this.selections.set(operation.id, operation.selection);
        this.#useExtent(operation.selection);
        if (this.#selectionUses.has(operation.id)) {
          this.#offerExtent(operation.selection);
          if (old) this.#withdrawExtent(old, now);
        } else {
          beginIdle(this.idleSelections, operation.id, now);
        }
        if (old) this.#unuseExtent(old, now);
        break;
      }
      case "upsert-frontend": {
        const old = this.frontends.get(frontendId(operation.key));
        this.frontends.set(frontendId(operation.key), { key: operation.key, entry: operation.entry });
        this.#useSelections(operation.entry);
        if (old) this.#unuseSelections(old.entry, now);
        else this.#frontendsOfProtocol.increment(operation.key.protocol);
        break;
      }
      case "delete-frontend": {
        const old = this.frontends.get(frontendId(operation.key));
        this.frontends.delete(frontendId(operation.key));
        if (!old) break;
        this.#unuseSelections(old.entry, now);
        this.#frontendsOfProtocol.decrement(operation.key.protocol);
        break;
      }
      case "upsert-source-range":
        this.#addRange(operation.range);
        break;
      case "delete-source-range":
        if (this.sourceRanges.delete(sourceRangeId(operation.range)))
          this.#rangesOfService.decrement(operation.range.service);
        break;
      case "clear-selection": {
        const old = this.selections.get(operation.id);
        this.selections.delete(operation.id);
        this.idleSelections.delete(operation.id);
        if (old) this.#unuseExtent(old, now);
        break;
      }
      case "clear-backend":
        this.#deleteBackend(operation.id);
        this.idleBackends.delete(operation.id);
        this.leftBackends.delete(operation.id);
        break;
    }
  }

  /** Why this operation must not be carried out now (a write it builds on has not happened), or undefined. */
  objection(operation: Operation): string | undefined {
    switch (operation.kind) {
      case "write-backend": {
        const held = this.backends.get(operation.id);
        if (operation.id === 0) return "backend id 0 means absent";
        if (held && this.#backendUses.has(operation.id) && backendId(held) !== backendId(operation.backend))
          return `backend ${operation.id} is in use`;
        return undefined;
      }
      case "mark-backend":
        if (!this.backends.has(operation.id)) return `backend ${operation.id} is not written`;
        return operation.gone && this.#backendOffers.has(operation.id)
          ? `a frontend leads to backend ${operation.id}`
          : undefined;
      case "write-extent": {
        if (this.#extentUses.has(operation.offset)) return `extent ${operation.offset} is in use`;
        const absent = operation.backendIds.find((id) => !this.backends.has(id));
        return absent === undefined ? undefined : `backend ${absent} is not written`;
      }
      case "flip-selection": {
        const { offset, count } = operation.selection;
        if (count === 0 || this.contentsAt(operation.selection) !== undefined) return undefined;
        return `extent ${offset} of ${count} cells is not written`;
      }
      case "upsert-frontend": {
        const { selection, externalSelection, service, sourceRanges } = operation.entry;
        const absent = [selection, externalSelection].find((id) => !this.selections.has(id));
        if (absent !== undefined) return `selection ${absent} is not written`;
        // Without any range the load balancer's address would be closed to everybody.
        if (sourceRanges && !this.hasRanges(service)) return `no source range of service ${service} is written`;
        return undefined;
      }
      case "clear-selection":
        return this.#selectionUses.has(operation.id) ? `selection ${operation.id} is in use` : undefined;
      case "clear-backend":
        return this.#backendUses.has(operation.id) ? `backend ${operation.id} is in use` : undefined;
      case "delete-frontend":
      case "upsert-source-range":
        return undefined;
      case "delete-source-range": {
        const { service } = operation.range;
        const isLast =
          this.#rangesOfService.get(service) === 1 && this.sourceRanges.has(sourceRangeId(operation.range));
        return isLast && this.#askers.has(service) ? `a frontend of service ${service} still asks for it` : undefined;
      }
    }
  }

  /** The endpoints that a selection offers as `contentsOf` writes them; undefined when a cell or a backend is absent. */
  contentsAt(selection: Selection): string | undefined {
    if (selection.count === 0) return "";
    const ids = this.extents.get(selection.offset);
    return ids?.length === selection.count ? this.#contents.get(selection.offset) : undefined;
  }

  /** Whether any frontend is of the protocol. */
  serves(protocol: Protocol): boolean {
    return this.#frontendsOfProtocol.has(protocol);
  }

  hasRanges(service: number): boolean {
    return this.#rangesOfService.has(service);
  }

  /** Forgets idle extents whose grace is over: their cells may be written again. */
  releaseExtents(now: number): void {
    for (const offset of idleForGrace(this.idleExtents, now)) this.#dropExtent(offset, now);
  }

  /** When the next idle thing can be cleared or reused; undefined when nothing is idle. */
  nextReleaseAt(): number | undefined {
    let next: number | undefined;
    for (const idle of this.#idle()) {
      const { value: since } = idle.values().next();
      if (since !== undefined && (next === undefined || since + GRACE_MS < next)) next = since + GRACE_MS;
    }
    return next;
  }

  #setBackend(id: number, backend: Backend): void {
    this.#deleteBackend(id);
    this.backends.set(id, backend);
    this.index.addBackend(id, backend);
  }

  #deleteBackend(id: number): void {
    const held = this.backends.get(id);
    if (held) this.index.removeBackend(id, held);
    this.backends.delete(id);
  }

  #markBackend(id: number, gone: boolean): void {
    const held = this.backends.get(id);
    if (!held) return;
    const { address, port, protocol } = held;
    this.backends.set(id, gone ? { address, port, protocol, gone } : { address, port, protocol });
  }

  /** What it is from now on, where it is in no use. */
  #unuseBackend(id: number, now: number): void {
    const backend = this.backends.get(id);
    if (!backend) return;
    const isTold = !isDatagram(backend) || backend.gone === true;
    if (isTold || this.#backendOffers.has(id)) this.leftBackends.delete(id);
    else this.leftBackends.add(id);
    if (!isTold) this.idleBackends.delete(id);
    else if (!this.#backendUses.has(id)) beginIdle(this.idleBackends, id, now);
  }

  #addExtent(offset: number, ids: readonly number[], now: number, known?: string): void {
    this.extents.set(offset, ids);
    const contents = known ?? extentContents(ids, this.backends);
    if (contents !== undefined) this.#contents.set(offset, contents);
    this.index.addExtent(offset, ids.length, contents);
    if (!this.#extentUses.has(offset)) beginIdle(this.idleExtents, offset, now);
    for (const id of ids) {
      this.#backendUses.increment(id);
      this.idleBackends.delete(id);
    }
  }

  #dropExtent(offset: number, now: number): void {
    const ids = this.extents.get(offset);
    if (!ids) return;
    this.index.removeExtent(offset, ids.length, this.#contents.get(offset));
    for (const id of ids) {
      if (this.#backendUses.decrement(id)) this.#unuseBackend(id, now);
    }
    this.extents.delete(offset);
    this.idleExtents.delete(offset);
    this.#contents.delete(offset);
  }

  #useExtent(selection: Selection): void {
    if (selection.count === 0) return;
    this.#extentUses.increment(selection.offset);
    this.idleExtents.delete(selection.offset);
  }

  #unuseExtent(selection: Selection, now: number): void {
    if (selection.count === 0) return;
    if (this.#extentUses.decrement(selection.offset) && this.extents.has(selection.offset))
      beginIdle(this.idleExtents, selection.offset, now);
  }

  #addRange(range: SourceRange): void {
    if (!this.sourceRanges.has(sourceRangeId(range))) this.#rangesOfService.increment(range.service);
    this.sourceRanges.set(sourceRangeId(range), range);
  }

  #offerExtent({ offset, count }: Selection): void {
    if (count === 0) return;
    const isOffered = this.#extentOffers.has(offset);
    this.#extentOffers.increment(offset);
    if (isOffered) return;
    for (const id of this.extents.get(offset) ?? []) {
      this.#backendOffers.increment(id);
      this.leftBackends.delete(id);
    }
  }

  #withdrawExtent({ offset, count }: Selection, now: number): void {
    if (count === 0 || !this.#extentOffers.decrement(offset)) return;
    for (const id of this.extents.get(offset) ?? []) if (this.#backendOffers.decrement(id)) this.#unuseBackend(id, now);
  }

  #useSelections(entry: FrontendEntry): void {
    this.#useSelection(entry.selection);
    this.#useSelection(entry.externalSelection);
    if (entry.sourceRanges) this.#askers.increment(entry.service);
  }

  #unuseSelections(entry: FrontendEntry, now: number): void {
    this.#unuseSelection(entry.selection, now);
    this.#unuseSelection(entry.externalSelection, now);
    if (entry.sourceRanges) this.#askers.decrement(entry.service);
  }

  #useSelection(id: number): void {
    const selection = this.selections.get(id);
    if (selection && !this.#selectionUses.has(id)) this.#offerExtent(selection);
    this.#selectionUses.increment(id);
    this.idleSelections.delete(id);
  }

  #unuseSelection(id: number, now: number): void {
    const selection = this.selections.get(id);
    if (!this.#selectionUses.decrement(id) || !selection) return;
    this.#withdrawExtent(selection, now);
    beginIdle(this.idleSelections, id, now);
  }

  #all(): { clear(): void }[] {
    const held = [this.frontends, this.selections, this.extents, this.backends, this.sourceRanges, this.#contents];
    const uses = [
      this.#selectionUses,
      this.#extentUses,
      this.#backendUses,
      this.#extentOffers,
      this.#backendOffers,
      this.#rangesOfService,
      this.#askers,
      this.#frontendsOfProtocol,
    ];
    return [...held, ...uses, this.index, this.leftBackends, ...this.#idle()];
  }

  #idle(): Map<number, number>[] {
    return [this.idleSelections, this.idleExtents, this.idleBackends];
  }
}

/** What is idle from now on is the last. */
function beginIdle(idle: Map<number, number>, id: number, now: number): void {
  idle.delete(id);
  idle.set(id, now);
}

function sortByTime(idle: Map<number, number>): void {
  const sorted = [...idle].sort(([, a], [, b]) => a - b);
  idle.clear();
  for (const [id, since] of sorted) idle.set(id, since);
}

/** Those whose grace is over; they may be removed meanwhile. */
export function* idleForGrace(idle: ReadonlyMap<number, number>, now: number): Iterable<number> {
  for (const [id, since] of idle) {
    if (now - since < GRACE_MS) return;
    yield id;
  }
}
