// SPDX-License-Identifier: Apache-2.0
// Plans the writes that lead from what the kernel holds to what is desired; the list may be cut after any of them.

import { admit } from "./admission.ts";
import { ArenaRoom, FreeIndices } from "./arena.ts";
import type { DesiredFrontend, DesiredSelection, DesiredService, DesiredState } from "./desired-state.ts";
import { sameEntry } from "./frontend-entry.ts";
import { GRACE_MS, type KernelMirror } from "./kernel-mirror.ts";
import {
  type Backend,
  backendId,
  type Capacity,
  type FrontendEntry,
  frontendId,
  type Operation,
  type SourceRange,
  sourceRangeId,
} from "./operation.ts";
import type { Problem } from "./problem.ts";
import { assignSelections } from "./selection-identity.ts";
import { serviceIds } from "./service-id.ts";

export interface Plan {
  /**
   * Frontends of gone Services are deleted first; then per Service source ranges, backends, extent, flip, frontends; then
   * source ranges that nobody asks for are deleted; last what has been idle for a grace is cleared. So no frontend ever
   * leads to an absent backend nor lacks its source ranges, wherever the list is cut.
   */
  readonly operations: readonly Operation[];
  /** Services that cannot be served as asked. */
  readonly problems: readonly Problem[];
  /** Selections that wait until freed room may be reused. */
  readonly deferred: readonly string[];
  /** What is served when the plan has been carried out. */
  readonly served: {
    readonly services: number;
    /** Pods of this node with host ports. */
    readonly hostPorts: number;
    readonly frontends: number;
    /** Of the Services. */
    readonly endpoints: number;
  };
}

const NOTHING: Plan = {
  operations: [],
  problems: [],
  deferred: [],
  served: { services: 0, hostPorts: 0, frontends: 0, endpoints: 0 },
};

export function plan(mirror: KernelMirror, desired: DesiredState, capacity: Capacity, now: number): Plan {
  if (!desired.complete) return NOTHING;
  const { admitted, refused } = admit(desired.services, capacity);
  const ids = serviceIds(admitted);
  const assigned = assignSelections(mirror, admitted, ids, capacity.selections);
  const writer = new SelectionWriter(mirror, capacity);
  const deferred: string[] = [];

  const operations: Operation[] = deleteFrontends(mirror, admitted);
  const ranges = new RangeWriter(mirror);
  for (const service of admitted) {
    operations.push(...ranges.write(service, ids));
    const usable = new Set<string>();
    for (const selection of service.selections) {
      const id = assigned.get(selection.key);
      const writes = id === undefined ? undefined : writer.write(id, selection);
      if (writes) operations.push(...writes);
      else deferred.push(selection.key);
      // A selection that cannot change yet keeps what it had, and its frontends keep working.
      if (id !== undefined && (writes || mirror.selections.has(id))) usable.add(selection.key);
    }
    for (const frontend of service.frontends) {
      if (usable.has(frontend.selection) && usable.has(frontend.externalSelection))
        operations.push(...upsertFrontend(mirror, frontend, ids, assigned));
      else ranges.keepFor(frontend);
    }
  }
  operations.push(...ranges.deleteOthers());
  operations.push(...clearIdle(mirror, new Set(assigned.values()), writer, now));
  // Nothing will be freed by waiting: say so instead.
  const stuck = mirror.nextReleaseAt() === undefined && operations.length === 0 ? deferred.map(stuckProblem) : [];
  const ofServices = admitted.filter(({ name }) => !name.startsWith("pod/"));
  return {
    operations,
    problems: [...desired.problems, ...refused, ...stuck],
    deferred,
    served: {
      services: ofServices.length,
      hostPorts: admitted.length - ofServices.length,
      frontends: admitted.reduce((sum, service) => sum + service.frontends.length, 0),
      endpoints: new Set(ofServices.flatMap((s) => s.selections.flatMap((x) => x.backends.map(backendId)))).size,
    },
  };
}

const stuckProblem = (selection: string): Problem => ({
  service: selection.split(":", 1)[0] ?? selection,
  reason: "ArenaFull",
  message: `${selection}: its endpoints cannot be changed, because the free room of the maps is in too small pieces; enlarge the maps.`,
});

function deleteFrontends(mirror: KernelMirror, services: readonly DesiredService[]): Operation[] {
  const wanted = new Set(services.flatMap((service) => service.frontends.map((frontend) => frontendId(frontend.key))));
  return [...mirror.frontends]
    .filter(([id]) => !wanted.has(id))
    .map(([, { key }]) => ({ kind: "delete-frontend", key }) as const);
}

function upsertFrontend(
  mirror: KernelMirror,
  frontend: DesiredFrontend,
  ids: ReadonlyMap<string, number>,
  assigned: ReadonlyMap<string, number>,
): Operation[] {
  const selection = assigned.get(frontend.selection);
  const externalSelection = assigned.get(frontend.externalSelection);
  const service = ids.get(frontend.servicePort);
  if (selection === undefined || externalSelection === undefined || service === undefined) return [];
  const { scope, noEndpoint, affinitySeconds, sourceRanges } = frontend;
  const entry: FrontendEntry = {
    ...{ selection, externalSelection, service },
    ...{ scope, noEndpoint, affinitySeconds, sourceRanges },
  };
  const held = mirror.frontends.get(frontendId(frontend.key))?.entry;
  if (held && sameEntry(held, entry)) return [];
  return [{ kind: "upsert-frontend", key: frontend.key, entry }];
}

/** Writes source ranges before the frontends that ask for them, and deletes what no frontend asks for afterwards. */
class RangeWriter {
  readonly #mirror: KernelMirror;
  readonly #wanted = new Map<string, SourceRange>();
  readonly #services = new Set<number>();
  /** Services whose frontends in the kernel stay as they are for now. */
  readonly #unchanged = new Set<number>();

  constructor(mirror: KernelMirror) {
    this.#mirror = mirror;
  }

  write(service: DesiredService, ids: ReadonlyMap<string, number>): Operation[] {
    const operations: Operation[] = [];
    for (const { servicePort, cidr } of service.sourceRanges) {
      const id = ids.get(servicePort);
      if (id === undefined) continue;
      const range = { service: id, cidr };
      this.#wanted.set(sourceRangeId(range), range);
      this.#services.add(id);
      if (!this.#mirror.sourceRanges.has(sourceRangeId(range))) operations.push({ kind: "upsert-source-range", range });
    }
    return operations;
  }

  /** This frontend cannot be written now: what the kernel holds of it goes on asking for its source ranges. */
  keepFor(frontend: DesiredFrontend): void {
    const held = this.#mirror.frontends.get(frontendId(frontend.key))?.entry;
    if (held?.sourceRanges) this.#unchanged.add(held.service);
  }

  deleteOthers(): Operation[] {
    return [...this.#mirror.sourceRanges]
      .filter(([id]) => !this.#wanted.has(id))
      .filter(([, { service }]) => this.#services.has(service) || !this.#unchanged.has(service))
      .map(([, range]) => ({ kind: "delete-source-range", range }));
  }
}

/** Selections first: a backend is idle only after the selections that led to it are gone. */
function clearIdle(
  mirror: KernelMirror,
  usedSelections: ReadonlySet<number>,
  writer: SelectionWriter,
  now: number,
): Operation[] {
  const due = (idle: ReadonlyMap<number, number>) =>
    [...idle].filter(([, since]) => now - since >= GRACE_MS).map(([id]) => id);
  const selections = due(mirror.idleSelections).filter((id) => !usedSelections.has(id));
  const backends = due(mirror.idleBackends).filter((id) => !writer.usesBackend(id));
  return [
    ...selections.map((id) => ({ kind: "clear-selection", id }) as const),
    ...backends.map((id) => ({ kind: "clear-backend", id }) as const),
  ];
}

/** Writes endpoint sets: reuses backends and equal extents that the kernel holds, and never overwrites one in use. */
class SelectionWriter {
  readonly #mirror: KernelMirror;
  readonly #room: ArenaRoom;
  readonly #freeBackends: FreeIndices;
  readonly #backendIds = new Map<string, number>();
  readonly #offsets: Map<string, number>;
  readonly #used = new Set<number>();

  constructor(mirror: KernelMirror, capacity: Capacity) {
    this.#mirror = mirror;
    const occupied = [...mirror.extents].map(([offset, ids]) => [offset, ids.length] as const);
    this.#room = new ArenaRoom(capacity.arena, occupied);
    this.#freeBackends = new FreeIndices(capacity.backends, (id) => mirror.backends.has(id));
    for (const [id, backend] of mirror.backends) this.#backendIds.set(backendId(backend), id);
    this.#offsets = mirror.extentsByContents();
  }

  usesBackend(id: number): boolean {
    return this.#used.has(id);
  }

  /** The writes that make selection `id` offer this set (none when it does), or undefined when there is no room yet. */
  write(id: number, selection: DesiredSelection): Operation[] | undefined {
    const held = this.#mirror.selections.get(id);
    if (held && this.#mirror.contentsAt(held) === selection.contents) {
      this.#keep(selection.backends);
      return [];
    }
    const count = selection.backends.length;
    const generation = ((held?.generation ?? 0) % 65_535) + 1;
    const flip = (offset: number): Operation => ({
      kind: "flip-selection",
      id,
      selection: { offset, count, generation },
    });
    if (count === 0) return [flip(0)];
    const known = this.#offsets.get(selection.contents);
    if (known !== undefined) {
      this.#keep(selection.backends);
      return [flip(known)];
    }
    return this.#writeExtent(selection, flip);
  }

  #writeExtent(selection: DesiredSelection, flip: (offset: number) => Operation): Operation[] | undefined {
    const writes: Operation[] = [];
    const ids: number[] = [];
    for (const backend of selection.backends) {
      const known = this.#backendIds.get(backendId(backend));
      const id = known ?? this.#freeBackends.allocate();
      if (id === undefined) return this.#giveUp(writes);
      if (known === undefined) {
        this.#backendIds.set(backendId(backend), id);
        writes.push({ kind: "write-backend", id, backend });
      }
      ids.push(id);
    }
    const offset = this.#room.allocate(ids.length);
    if (offset === undefined) return this.#giveUp(writes);
    for (const id of ids) this.#used.add(id);
    this.#offsets.set(selection.contents, offset);
    return [...writes, { kind: "write-extent", offset, backendIds: ids }, flip(offset)];
  }

  /** The ids stay unwritten in this plan: no other extent may rely on them. */
  #giveUp(writes: readonly Operation[]): undefined {
    for (const write of writes) if (write.kind === "write-backend") this.#backendIds.delete(backendId(write.backend));
    return undefined;
  }

  #keep(backends: readonly Backend[]): void {
    for (const backend of backends) {
      const id = this.#backendIds.get(backendId(backend));
      if (id !== undefined) this.#used.add(id);
    }
  }
}
