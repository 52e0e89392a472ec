// SPDX-License-Identifier: Apache-2.0
// Proves the invariants of planning on random clusters, by running every plan on a kernel in memory.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { desiredState } from "../../../agent/core/desired-state.ts";
import { GRACE_MS, KernelMirror } from "../../../agent/core/kernel-mirror.ts";
import { readEndpointSlice, readService, type Snapshot } from "../../../agent/core/kubernetes-objects.ts";
import { backendId, type Capacity, type Operation } from "../../../agent/core/operation.ts";
import { markGone, type Plan, plan } from "../../../agent/core/plan.ts";
import { collection, NODE, snapshot } from "./arbitrary-objects.ts";
import { type Meaning, ModelKernel } from "./model-kernel.ts";

const ROOMY: Capacity = { frontends: 500, selections: 500, arena: 4096, backends: 500, sourceRanges: 500 };
const EMPTY: Snapshot = {
  services: collection([]),
  endpointSlices: collection([]),
  nodes: collection([]),
};

const many = collection([
  readService({
    metadata: { namespace: "ns", name: "many" },
    spec: {
      clusterIPs: ["10.96.0.9"],
      externalIPs: ["203.0.113.7", "203.0.113.8", "203.0.113.9"],
      ports: [{ port: 80, nodePort: 30_080 }],
    },
  }),
]);
const slicesOf = (hosts: number[]) =>
  collection([
    readEndpointSlice({
      metadata: { namespace: "ns", name: "s", labels: { "kubernetes.io/service-name": "many" } },
      addressType: "IPv4",
      ports: [{ name: "", port: 80, protocol: "TCP" }],
      endpoints: hosts.map((host) => ({ addresses: [`10.244.0.${host}`] })),
    }),
  ]);

/** The agent's loop without its shell: one kernel, its mirror, a clock that only tests move. */
class Agent {
  readonly kernel: ModelKernel;
  mirror: KernelMirror;
  now = 0;

  constructor(capacity: Capacity) {
    this.kernel = new ModelKernel(capacity);
    this.mirror = new KernelMirror(this.kernel.read(), this.now);
  }

  plan(state: Snapshot): Plan {
    this.mirror.releaseExtents(this.now);
    return plan(this.mirror, desiredState(state, NODE), this.kernel.capacity, this.now);
  }

  execute(operations: readonly Operation[]): void {
    for (const operation of operations) {
      expect(this.mirror.objection(operation)).toBeUndefined();
      this.kernel.apply(operation);
      this.mirror.record(operation, this.now);
    }
  }

  marks(next: Plan): readonly Operation[] {
    const operations = markGone(this.mirror, next);
    this.execute(operations);
    return operations;
  }

  /** Plans and executes until nothing is left to do, also what waits for its grace. */
  settle(state: Snapshot): Plan {
    for (let round = 0; round < 20; round++) {
      const next = this.plan(state);
      this.execute(next.operations);
      const marks = this.marks(next);
      if (next.operations.length + marks.length === 0 && this.mirror.nextReleaseAt() === undefined) return next;
      this.now += GRACE_MS;
    }
    throw new Error("does not settle");
  }

  restart(): void {
    this.mirror = new KernelMirror(this.kernel.read(), this.now);
  }
}

const coldStart = (state: Snapshot, capacity: Capacity) => {
  const agent = new Agent(capacity);
  agent.settle(state);
  return agent.kernel.meaning();
};

/** A busy machine may need long for so many clusters. */
const PATIENCE = { timeout: 60_000 };

describe("a plan", PATIENCE, () => {
  test("ends in the same maps whatever happened before, and whatever was cut short", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(snapshot, fc.nat()), { maxLength: 5 }), snapshot, (history, final) => {
        const agent = new Agent(ROOMY);
        for (const [state, cut] of history) {
          const next = agent.plan(state);
          agent.execute(next.operations.slice(0, cut % (next.operations.length + 1)));
          if (cut % 5 > 0) agent.marks(next);
          if (cut % 3 === 0) agent.restart();
          agent.now += (cut % 4) * (GRACE_MS / 2);
        }
        const { keeps } = agent.settle(final);
        expect(agent.kernel.meaning()).toEqual(coldStart(final, ROOMY));
        // What is left over would be a leak.
        expect([...agent.mirror.idleBackends, ...agent.mirror.idleSelections, ...agent.mirror.idleExtents]).toEqual([]);
        const used = new Set(Object.values(agent.kernel.meaning()).flatMap((f) => [...f.backends, ...f.external]));
        for (const backend of agent.kernel.backends.values())
          expect(used.has(backendId(backend)) || (backend.protocol === 17 && keeps(backend))).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  test("never leaves a frontend that leads to an absent backend or to another Service's, wherever it is cut", () => {
    fc.assert(
      fc.property(fc.array(snapshot, { minLength: 2, maxLength: 5 }), fc.boolean(), (states, restarts) => {
        const agent = new Agent(ROOMY);
        for (const state of states) {
          const before = agent.kernel.meaning();
          const next = agent.plan(state);
          const after = meaningAfter(agent, next.operations);
          for (const operation of next.operations) {
            agent.execute([operation]);
            for (const [id, frontend] of Object.entries(agent.kernel.meaning())) {
              for (const side of ["backends", "external"] as const) {
                const allowed = [before[id]?.[side].join(), after[id]?.[side].join()];
                // An expectation of vitest's costs more than the look-up.
                if (!allowed.includes(frontend[side].join()))
                  expect.fail(`${id} leads to ${frontend[side]} after ${JSON.stringify(operation)}`);
              }
            }
          }
          agent.marks(next);
          expect(agent.kernel.meaning()).toEqual(after);
          if (restarts) agent.restart();
          agent.now += GRACE_MS / 3;
        }
      }),
      { numRuns: 150 },
    );
  });

  test("never opens a restricted frontend further than before and after, nor keeps out whom both let in", () => {
    fc.assert(
      fc.property(fc.array(snapshot, { minLength: 2, maxLength: 5 }), (states) => {
        const agent = new Agent(ROOMY);
        for (const state of states) {
          const before = agent.kernel.meaning();
          const { operations } = agent.plan(state);
          const after = meaningAfter(agent, operations);
          for (const operation of operations) {
            agent.execute([operation]);
            for (const [id, { admits }] of Object.entries(agent.kernel.meaning())) {
              const [old, next] = [before[id]?.admits, after[id]?.admits];
              if (admits === "all") {
                expect([old, next], id).toContain("all");
                continue;
              }
              expect(admits.length, `${id} asks for source ranges that are not there`).toBeGreaterThan(0);
              const known = [old, next].flatMap((ranges) => (Array.isArray(ranges) ? ranges : []));
              for (const cidr of admits) expect(known, id).toContain(cidr);
              for (const cidr of Array.isArray(next) ? next : [])
                if (old === "all" || old?.includes(cidr)) expect(admits, id).toContain(cidr);
            }
          }
          agent.now += GRACE_MS / 3;
        }
      }),
      { numRuns: 150 },
    );
  });

  test("never loses a frontend that is wanted before and after", () => {
    fc.assert(
      fc.property(snapshot, snapshot, (first, second) => {
        const agent = new Agent(ROOMY);
        agent.settle(first);
        const before = Object.keys(agent.kernel.meaning());
        const { operations } = agent.plan(second);
        const after = meaningAfter(agent, operations);
        const kept = before.filter((id) => id in after);
        for (const operation of operations) {
          agent.execute([operation]);
          for (const id of kept) expect(agent.kernel.frontends.has(id)).toBe(true);
        }
      }),
    );
  });

  test("overwrites no cell and clears no backend that a look-up of the last grace may still use", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(snapshot, fc.nat({ max: 3 })), { minLength: 2, maxLength: 8 }), (steps) => {
        const agent = new Agent(ROOMY);
        const lastUse = { cells: new Map<number, number>(), backends: new Map<number, number>() };
        for (const [state, pause] of steps) {
          const next = agent.plan(state);
          for (const operation of next.operations) {
            const touched = { cells: [] as number[], backends: [] as number[] };
            if (operation.kind === "write-extent")
              touched.cells = operation.backendIds.map((_, index) => operation.offset + index);
            if (operation.kind === "write-backend" || operation.kind === "clear-backend")
              touched.backends = [operation.id];
            for (const cell of touched.cells)
              expect(agent.now - (lastUse.cells.get(cell) ?? -Infinity)).toBeGreaterThanOrEqual(GRACE_MS);
            for (const id of touched.backends)
              expect(agent.now - (lastUse.backends.get(id) ?? -Infinity)).toBeGreaterThanOrEqual(GRACE_MS);
            agent.execute([operation]);
            const used = [...agent.kernel.frontends.values()].flatMap(({ entry }) => [
              entry.selection,
              entry.externalSelection,
            ]);
            for (const index of used) {
              const selection = agent.kernel.selections.get(index);
              for (let i = 0; i < (selection?.count ?? 0); i++) {
                const cell = (selection?.offset ?? 0) + i;
                lastUse.cells.set(cell, agent.now);
                lastUse.backends.set(agent.kernel.arena[cell] ?? 0, agent.now);
              }
            }
          }
          agent.marks(next);
          agent.now += pause * (GRACE_MS / 2);
        }
      }),
      { numRuns: 150 },
    );
  });

  test("tells flows of UDP at once that their backend has gone, and never of one that is led to or still serves", () => {
    let marked = 0;
    fc.assert(
      fc.property(fc.array(fc.tuple(snapshot, fc.boolean()), { minLength: 2, maxLength: 8 }), (steps) => {
        const agent = new Agent(ROOMY);
        for (const [state, restarts] of steps) {
          const next = agent.plan(state);
          agent.execute(next.operations);
          if (restarts) agent.restart();
          for (const operation of agent.marks(next)) {
            const backend = operation.kind === "mark-backend" ? agent.kernel.backends.get(operation.id) : undefined;
            expect(backend && !next.keeps(backend)).toBe(true);
            marked++;
          }
          const offered = new Set(Object.values(agent.kernel.meaning()).flatMap((f) => [...f.backends, ...f.external]));
          for (const backend of agent.kernel.backends.values()) {
            const isLeft = !offered.has(backendId(backend)) && !next.keeps(backend);
            if (backend.protocol !== 17) expect(backend.gone).not.toBe(true);
            else if (isLeft) expect(backend.gone).toBe(true);
          }
          agent.now += GRACE_MS / 3;
        }
      }),
      { numRuns: 150 },
    );
    expect(marked).toBeGreaterThan(100);
  });

  test("leaves the flows of an endpoint alone while it serves, and takes the mark from one that comes back", () => {
    const dns = readService({
      metadata: { namespace: "ns", name: "many" },
      spec: { clusterIPs: ["10.96.0.9"], ports: [{ port: 53, protocol: "UDP" }] },
    });
    const state = (...endpoints: [host: number, conditions: object][]): Snapshot => {
      const slice = readEndpointSlice({
        metadata: { namespace: "ns", name: "s", labels: { "kubernetes.io/service-name": "many" } },
        addressType: "IPv4",
        ports: [{ name: "", port: 53, protocol: "UDP" }],
        endpoints: endpoints.map(([host, conditions]) => ({ addresses: [`10.244.0.${host}`], conditions })),
      });
      return { ...EMPTY, services: collection([dns]), endpointSlices: collection([slice]) };
    };
    const ready = { ready: true };
    const draining = { ready: false, serving: true, terminating: true };
    const agent = new Agent(ROOMY);
    agent.settle(state([1, ready], [2, ready]));
    const id = agent.mirror.index.idOf({ address: "10.244.0.2", port: 53, protocol: 17 }) ?? 0;
    agent.settle(state([1, ready], [2, draining]));
    expect(agent.kernel.meaning()["17/10.96.0.9/53"]?.backends).toEqual(["17/10.244.0.1/53"]);
    expect(agent.kernel.backends.get(id)).toEqual({ address: "10.244.0.2", port: 53, protocol: 17 });
    const gone = agent.plan(state([1, ready]));
    expect(gone.operations).toEqual([]);
    expect(agent.marks(gone)).toEqual([{ kind: "mark-backend", id, gone: true }]);
    const back = agent.plan(state([1, ready], [2, ready])).operations;
    expect(back.map(({ kind }) => kind)).toEqual(["mark-backend", "write-extent", "flip-selection"]);
    expect(back[0]).toEqual({ kind: "mark-backend", id, gone: false });
    agent.settle(state([1, ready]));
    expect(agent.kernel.backends.has(id)).toBe(false);
  });

  test("writes nothing after a restart with unchanged objects", () => {
    fc.assert(
      fc.property(snapshot, snapshot, (first, second) => {
        const agent = new Agent(ROOMY);
        agent.settle(first);
        agent.settle(second);
        agent.restart();
        expect(agent.plan(second).operations).toEqual([]);
      }),
    );
  });

  test("removes and writes nothing until every kind has completed its first list", () => {
    fc.assert(
      fc.property(snapshot, fc.constantFrom("services", "endpointSlices", "nodes"), (state, kind) => {
        const agent = new Agent(ROOMY);
        agent.settle(state);
        agent.restart();
        const partial = { ...state, [kind]: { synced: false, objects: new Map() } };
        expect(agent.plan(partial).operations).toEqual([]);
        const unsynced = { ...EMPTY, [kind]: { synced: false, objects: new Map() } };
        expect(agent.plan(unsynced).operations).toEqual([]);
      }),
    );
  });

  test("changes a Service of many frontends by one flip", () => {
    const agent = new Agent(ROOMY);
    const state = (...hosts: number[]): Snapshot => ({ ...EMPTY, services: many, endpointSlices: slicesOf(hosts) });
    agent.settle(state(1, 2));
    expect(agent.kernel.frontends.size).toBe(5);
    const kinds = agent.plan(state(1, 3)).operations.map((operation) => operation.kind);
    expect(kinds).toEqual(["write-backend", "write-extent", "flip-selection"]);
  });

  test("deletes a source range that a cut plan left behind, before a new frontend could admit by it", () => {
    const restricted = (...ranges: string[]): Snapshot => {
      const spec = { clusterIPs: ["10.96.0.9"], type: "LoadBalancer", loadBalancerSourceRanges: ranges };
      const service = readService({
        metadata: { namespace: "ns", name: "many" },
        spec: { ...spec, ports: [{ port: 80 }] },
        status: { loadBalancer: { ingress: [{ ip: "203.0.113.7" }] } },
      });
      return { ...EMPTY, services: collection([service]), endpointSlices: slicesOf([1]) };
    };
    const agent = new Agent(ROOMY);
    agent.settle(restricted("192.0.2.0/24"));
    const removal = agent.plan(EMPTY).operations;
    agent.execute(removal.filter(({ kind }) => kind === "delete-frontend"));
    agent.restart();
    const kinds = agent.plan(restricted("198.51.100.0/24")).operations.map(({ kind }) => kind);
    expect(kinds).toContain("upsert-frontend");
    expect(kinds.indexOf("delete-source-range")).toBe(0);
  });

  test("refuses the youngest Services that do not fit, serves every other one, and says which", () => {
    const tight = fc.record({
      frontends: fc.integer({ min: 0, max: 20 }),
      selections: fc.integer({ min: 1, max: 20 }),
      arena: fc.integer({ min: 0, max: 40 }),
      backends: fc.integer({ min: 1, max: 30 }),
      sourceRanges: fc.integer({ min: 0, max: 10 }),
    });
    fc.assert(
      fc.property(snapshot, snapshot, tight, (first, second, capacity) => {
        const agent = new Agent(capacity);
        agent.settle(first);
        const last = agent.settle(second);
        const full = coldStart(second, ROOMY);
        const refused = new Set(last.problems.filter((p) => p.reason.endsWith("Full")).map((p) => p.service));
        const desired = desiredState(second, NODE).services.filter((service) => !refused.has(service.name));
        const served = desired.flatMap((service) => service.frontends.map((frontend) => frontend.key.address));
        const meaning = agent.kernel.meaning();
        for (const [id, frontend] of Object.entries(meaning)) {
          expect(frontend, id).toEqual(full[id]);
        }
        if (last.deferred.length === 0) expect(Object.keys(meaning)).toHaveLength(served.length);
        else expect(refused.size).toBeGreaterThan(0);
        if (Object.keys(meaning).length < Object.keys(full).length) expect(refused.size).toBeGreaterThan(0);
      }),
      { numRuns: 150 },
    );
  });
});

function meaningAfter(agent: Agent, operations: readonly Operation[]): Record<string, Meaning> {
  const copy = new ModelKernel(agent.kernel.capacity);
  for (const [id, value] of agent.kernel.frontends) copy.frontends.set(id, value);
  for (const [id, value] of agent.kernel.selections) copy.selections.set(id, value);
  for (const [id, value] of agent.kernel.backends) copy.backends.set(id, value);
  for (const [id, value] of agent.kernel.sourceRanges) copy.sourceRanges.set(id, value);
  copy.arena.set(agent.kernel.arena);
  for (const operation of operations) copy.apply(operation);
  return copy.meaning();
}
