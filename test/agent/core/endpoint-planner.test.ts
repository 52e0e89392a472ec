// SPDX-License-Identifier: Apache-2.0
// Proves that following changes of endpoints one by one leaves what a full rebuild would ask for, on random clusters and events.

import fc from "fast-check";
import { expect, test } from "vitest";
import { ClusterState } from "../../../agent/core/cluster-state.ts";
import { desiredState } from "../../../agent/core/desired-state.ts";
import { EndpointPlanner } from "../../../agent/core/endpoint-planner.ts";
import { GRACE_MS, KernelMirror } from "../../../agent/core/kernel-mirror.ts";
import {
  type EndpointSlice,
  objectKey,
  readEndpointSlice,
  readService,
  type Service,
  type Snapshot,
} from "../../../agent/core/kubernetes-objects.ts";
import type { Capacity, Operation } from "../../../agent/core/operation.ts";
import { type FullPlan, markGone, type Plan, plan } from "../../../agent/core/plan.ts";
import type { ObjectChange } from "../../../agent/core/relevance.ts";
import { finish } from "../../../agent/core/steps.ts";
import { collection, NODE, service, slice, snapshot } from "./arbitrary-objects.ts";
import { ModelKernel } from "./model-kernel.ts";

const ROOMY: Capacity = { frontends: 500, selections: 500, arena: 4096, backends: 500, sourceRanges: 500 };
const FACTS = { nodeAddresses: ["192.0.2.1"] };

/** The agent's loop: it follows slices while it can, and begins anew when it cannot. */
class Follower {
  readonly kernel: ModelKernel;
  readonly mirror: KernelMirror;
  readonly state = new ClusterState(NODE);
  #planner: EndpointPlanner | undefined;
  #snapshot: Snapshot;
  now = 0;
  followed = 0;

  constructor(capacity: Capacity, initial: Snapshot) {
    this.kernel = new ModelKernel(capacity);
    this.mirror = new KernelMirror(this.kernel.read(), 0);
    this.#snapshot = initial;
    this.rebuild(initial);
  }

  rebuild(next: Snapshot): void {
    this.#snapshot = next;
    this.mirror.releaseExtents(this.now);
    const full = plan(this.mirror, finish(this.state.rebuild(next, FACTS)), this.kernel.capacity, this.now);
    this.#planner = this.#execute(full) ? new EndpointPlanner(full as FullPlan, this.kernel.capacity) : undefined;
  }

  /** Other Services stay the objects that they are. */
  changeServices(services: readonly Service[]): void {
    const objects = new Map(this.#snapshot.services.objects);
    for (const each of services) objects.set(objectKey(each), each);
    this.rebuild({ ...this.#snapshot, services: { synced: true, objects } });
    // Resolved anew, and from what was known of the others: both are one.
    const { services: known } = finish(this.state.rebuild(this.#snapshot, FACTS));
    expect(known).toEqual(desiredState(this.#snapshot, NODE, FACTS).services);
  }

  change(slices: Map<string, EndpointSlice | undefined>): void {
    const objects = new Map(this.#snapshot.endpointSlices.objects);
    const changes: ObjectChange<EndpointSlice>[] = [];
    for (const [key, after] of slices) {
      changes.push({ before: objects.get(key), after });
      if (after) objects.set(key, after);
      else objects.delete(key);
    }
    this.#snapshot = { ...this.#snapshot, endpointSlices: { synced: true, objects } };
    const touched = this.#planner && this.state.changeSlices(changes);
    this.mirror.releaseExtents(this.now);
    const small = touched && this.#planner?.plan(this.mirror, touched, this.now);
    if (!small) {
      this.rebuild(this.#snapshot);
    } else {
      this.followed++;
      this.#execute(small);
    }
  }

  /** Everything that a full rebuild sees of the same objects. */
  check(): void {
    const desired = desiredState(this.#snapshot, NODE, FACTS);
    const rest = plan(this.mirror, desired, this.kernel.capacity, this.now);
    expect(rest.operations.filter(({ kind }) => !kind.startsWith("clear-"))).toEqual([]);
    expect(markGone(this.mirror, rest)).toEqual([]);
    const anew = new ClusterState(NODE);
    finish(anew.rebuild(this.#snapshot, FACTS));
    expect(this.state.healthChecks).toEqual(anew.healthChecks);
  }

  #execute(next: Plan): boolean {
    this.#apply(next.operations);
    this.#apply(markGone(this.mirror, next));
    return next.deferred.length === 0;
  }

  #apply(operations: readonly Operation[]): void {
    for (const operation of operations) {
      expect(this.mirror.objection(operation)).toBeUndefined();
      this.kernel.apply(operation);
      this.mirror.record(operation, this.now);
    }
  }
}

const event = fc.oneof(
  { weight: 6, arbitrary: fc.record({ changed: fc.array(slice, { maxLength: 3 }), pause: fc.nat({ max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ gone: fc.nat(), pause: fc.nat({ max: 3 }) }) },
  { weight: 3, arbitrary: fc.record({ services: fc.array(service, { maxLength: 2 }), pause: fc.nat({ max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ anew: snapshot, pause: fc.nat({ max: 3 }) }) },
);
type Event = {
  changed?: EndpointSlice[];
  gone?: number;
  anew?: Snapshot;
  services?: Service[];
  pause: number;
};

function run(capacity: Capacity, initial: Snapshot, events: readonly Event[]): Follower {
  const follower = new Follower(capacity, initial);
  let names = [...initial.endpointSlices.objects.keys()];
  for (const { changed, gone, anew, services, pause } of events) {
    if (services) {
      follower.changeServices(services);
    } else if (anew) {
      follower.rebuild(anew);
      names = [...anew.endpointSlices.objects.keys()];
    } else if (changed) {
      follower.change(new Map(changed.map((each) => [objectKey(each), each])));
      names = [...new Set([...names, ...changed.map(objectKey)])];
    } else if (names.length > 0) {
      const name = names[(gone ?? 0) % names.length] ?? "";
      follower.change(new Map([[name, undefined]]));
      names = names.filter((each) => each !== name);
    }
    follower.now += pause * (GRACE_MS / 2);
    follower.check();
  }
  return follower;
}

test("the maps are those of a full rebuild after every event", () => {
  let followed = 0;
  fc.assert(
    fc.property(snapshot, fc.array(event, { minLength: 1, maxLength: 12 }), (initial, events) => {
      followed += run(ROOMY, initial, events).followed;
    }),
    { numRuns: 300 },
  );
  expect(followed).toBeGreaterThan(300);
});

test("where not everything fits a full plan decides who is refused, so the maps are the same then, too", () => {
  const tight = fc.record({
    frontends: fc.integer({ min: 0, max: 20 }),
    selections: fc.integer({ min: 1, max: 20 }),
    arena: fc.integer({ min: 0, max: 40 }),
    backends: fc.integer({ min: 1, max: 30 }),
    sourceRanges: fc.integer({ min: 0, max: 10 }),
  });
  fc.assert(
    fc.property(snapshot, fc.array(event, { minLength: 1, maxLength: 8 }), tight, (initial, events, capacity) => {
      const follower = new Follower(capacity, initial);
      for (const { changed = [], pause } of events as Event[]) {
        follower.change(new Map(changed.map((each) => [objectKey(each), each])));
        follower.now += pause * (GRACE_MS / 2);
        // What waits for room may still be served as before, but nothing is served wrongly.
        follower.kernel.meaning();
      }
    }),
    { numRuns: 200 },
  );
});

test("a change of one endpoint of one Service among many is three writes and no look at the others", () => {
  const initial: Snapshot = { services: collection([]), endpointSlices: collection([]), nodes: collection([]) };
  const services = collection(Array.from({ length: 200 }, (_, index) => serviceNumber(index)));
  const slices = Array.from({ length: 200 }, (_, index) => sliceNumber(index, [1, 2, 3]));
  const follower = new Follower(
    { frontends: 1000, selections: 1000, arena: 8192, backends: 2000, sourceRanges: 100 },
    { ...initial, services, endpointSlices: collection(slices) },
  );
  const before = follower.kernel.arena.slice();
  follower.change(new Map([["ns/s7", sliceNumber(7, [1, 2, 4])]]));
  expect(follower.followed).toBe(1);
  expect(follower.kernel.lookup("6/10.96.0.8/80", "selection")).toContain("6/10.1.7.4/8080");
  const changed = [...follower.kernel.arena].filter((id, cell) => id !== before[cell]);
  expect(changed).toHaveLength(3);
  follower.check();
});

const serviceNumber = (index: number) =>
  readService({
    metadata: { namespace: "ns", name: `s${index}` },
    spec: { clusterIPs: [`10.96.0.${index + 1}`], ports: [{ port: 80 }] },
  });
const sliceNumber = (index: number, hosts: number[]) =>
  readEndpointSlice({
    metadata: { namespace: "ns", name: `s${index}`, labels: { "kubernetes.io/service-name": `s${index}` } },
    addressType: "IPv4",
    ports: [{ name: "", protocol: "TCP", port: 8080 }],
    endpoints: hosts.map((host) => ({ addresses: [`10.1.${index}.${host}`] })),
  });
