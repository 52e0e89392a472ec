// SPDX-License-Identifier: Apache-2.0
// Plans the writes that lead from what the kernel holds to what is desired; the list may be cut after any of them.

import { admit } from "./admission.ts";
import { Demand, tooManyEndpoints } from "./demand.ts";
import type { DesiredFrontend, DesiredService, DesiredState } from "./desired-state.ts";
import { sameEntry } from "./frontend-entry.ts";
import { idleForGrace, type KernelMirror } from "./kernel-mirror.ts";
import { type Backend, type Capacity, type FrontendEntry, frontendId, type Operation } from "./operation.ts";
import type { Problem } from "./problem.ts";
import { RangeWriter } from "./range-writer.ts";
import { assignSelections } from "./selection-identity.ts";
import { SelectionWriter } from "./selection-writer.ts";
import { serviceIds } from "./service-id.ts";
import { finish, type Steps } from "./steps.ts";

const SERVICES_OF_A_STEP = 64;

/** What a plan has decided about everything, for those that follow it about a little. */
export interface Decisions {
  /** Service ids by Service port. */
  readonly ids: ReadonlyMap<string, number>;
  /** Indices by the key of their selection. */
  readonly assigned: ReadonlyMap<string, number>;
  /** Of all Services that fit. */
  readonly demand: Demand;
  /** Nothing was refused, and nothing waits. */
  readonly complete: boolean;
}

export interface Plan {
  /**
   * Frontends of gone Services are deleted first, and source ranges that nothing asks for any more; then per Service come
   * source ranges, backends, extent, flip, frontends; then source ranges that nobody asks for now are deleted; last what
   * has been idle for a grace is cleared. So no frontend ever leads to an absent backend, nor lacks its source ranges or
   * admits by those of another time, wherever the list is cut.
   */
  readonly operations: readonly Operation[];
  /** Whether the flows of UDP that an endpoint has may stay with it, selected or not. */
  readonly keeps: (backend: Backend) => boolean;
  /** Services that cannot be served as asked. */
  readonly problems: readonly Problem[];
  /** Selections that wait until freed room may be reused. */
  readonly deferred: readonly string[];
  /** What the maps would have to hold to serve everything, also what was refused. */
  readonly needs: Capacity;
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

export interface FullPlan extends Plan {
  readonly decisions: Decisions;
}

const NOTHING: FullPlan = {
  operations: [],
  keeps: () => true,
  problems: [],
  deferred: [],
  served: { services: 0, hostPorts: 0, frontends: 0, endpoints: 0 },
  needs: new Demand().needs,
  decisions: { ids: new Map(), assigned: new Map(), demand: new Demand(), complete: false },
};

export const plan = (mirror: KernelMirror, desired: DesiredState, capacity: Capacity, now: number): FullPlan =>
  finish(planInSteps(mirror, desired, capacity, now));

/** The mirror must stay as it is meanwhile. */
export function* planInSteps(
  mirror: KernelMirror,
  desired: DesiredState,
  capacity: Capacity,
  now: number,
): Steps<FullPlan> {
  if (!desired.complete) return NOTHING;
  const { admitted, refused, demand } = yield* admit(desired.services, capacity);
  const ids = yield* serviceIds(admitted);
  const assigned = yield* assignSelections(mirror, admitted, ids, capacity.selections);
  const writer = new SelectionWriter(mirror, capacity);
  const deferred: string[] = [];

  const ranges = new RangeWriter(mirror, admitted, ids);
  yield;
  const gone = yield* deleteFrontends(mirror, admitted);
  const operations: Operation[] = [...gone, ...ranges.deleteUnasked(new Set(gone.map(({ key }) => frontendId(key))))];
  for (const [index, service] of admitted.entries()) {
    if (index % SERVICES_OF_A_STEP === 0) yield;
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
  writer.close();
  // Nothing will be freed by waiting: say so instead.
  const stuck = mirror.nextReleaseAt() === undefined && operations.length === 0 ? deferred.map(stuckProblem) : [];
  const ofServices = admitted.filter(({ name }) => !name.startsWith("pod/"));
  return {
    operations,
    keeps: (backend) => demand.has(backend),
    problems: [...desired.problems, ...refused, ...stuck],
    deferred,
    needs: refused.length === 0 ? demand.needs : needsOf(desired.services),
    served: {
      services: ofServices.length,
      hostPorts: admitted.length - ofServices.length,
      frontends: demand.frontends,
      endpoints: demand.endpoints,
    },
    decisions: { ids, assigned, demand, complete: refused.length === 0 && deferred.length === 0 },
  };
}

function needsOf(services: readonly DesiredService[]): Capacity {
  const demand = new Demand();
  for (const service of services) if (!tooManyEndpoints(service)) demand.add(service);
  return demand.needs;
}

const stuckProblem = (selection: string): Problem => ({
  service: selection.split(":", 1)[0] ?? selection,
  reason: "ArenaFull",
  message: `${selection}: its endpoints cannot be changed, because the free room of the maps is in too small pieces; raise bpf.mapDynamicSizeRatio.`,
});

type FrontendDeletion = Extract<Operation, { kind: "delete-frontend" }>;

function* deleteFrontends(mirror: KernelMirror, services: readonly DesiredService[]): Steps<FrontendDeletion[]> {
  if (mirror.frontends.size === 0) return [];
  const wanted = new Set<string>();
  for (const [index, { frontends }] of services.entries()) {
    if (index % SERVICES_OF_A_STEP === 0) yield;
    for (const { key } of frontends) wanted.add(frontendId(key));
  }
  return [...mirror.frontends]
    .filter(([id]) => !wanted.has(id))
    .map(([, { key }]) => ({ kind: "delete-frontend", key }) as const);
}

export function upsertFrontend(
  mirror: KernelMirror,
  frontend: DesiredFrontend,
  ids: ReadonlyMap<string, number>,
  assigned: ReadonlyMap<string, number>,
): Operation[] {
  const selection = assigned.get(frontend.selection);
  const externalSelection = assigned.get(frontend.externalSelection);
  const service = ids.get(frontend.servicePort);
  if (selection === undefined || externalSelection === undefined || service === undefined) return [];
  const { scope, noEndpoint, affinitySeconds, sourceRanges, algorithm, dsr } = frontend;
  const entry: FrontendEntry = {
    selection,
    externalSelection,
    service,
    scope,
    noEndpoint,
    affinitySeconds,
    sourceRanges,
    ...(algorithm === "maglev" ? { algorithm } : {}),
    ...(dsr ? { dsr } : {}),
  };
  const held = mirror.frontends.get(frontendId(frontend.key))?.entry;
  if (held && sameEntry(held, entry)) return [];
  return [{ kind: "upsert-frontend", key: frontend.key, entry }];
}

/**
 * Follows a plan at once, however much of it the mirror says has been carried out: flows and sockets of UDP are to leave what
 * no frontend leads to and no Service has any more.
 */
export function markGone(mirror: KernelMirror, { keeps }: Pick<Plan, "keeps">): Operation[] {
  const gone = [...mirror.leftBackends].filter((id) => {
    const backend = mirror.backends.get(id);
    return backend !== undefined && !keeps(backend);
  });
  return gone.map((id) => ({ kind: "mark-backend", id, gone: true }) as const);
}

/** Selections first: a backend is idle only after the selections that led to it are gone. */
export function clearIdle(
  mirror: KernelMirror,
  usedSelections: ReadonlySet<number>,
  writer: SelectionWriter,
  now: number,
): Operation[] {
  const selections = [...idleForGrace(mirror.idleSelections, now)].filter((id) => !usedSelections.has(id));
  const backends = [...idleForGrace(mirror.idleBackends, now)].filter((id) => !writer.usesBackend(id));
  return [
    ...selections.map((id) => ({ kind: "clear-selection", id }) as const),
    ...backends.map((id) => ({ kind: "clear-backend", id }) as const),
  ];
}
