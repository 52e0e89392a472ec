// SPDX-License-Identifier: Apache-2.0
// Plans cut after every single write, on the real maps: packets never meet an absent backend, nor lose whom they had.
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type DesiredState, desiredState } from "../../agent/core/desired-state.ts";
import { GRACE_MS, KernelMirror } from "../../agent/core/kernel-mirror.ts";
import type { EndpointSlice, Snapshot } from "../../agent/core/kubernetes-objects.ts";
import { backendId, type FrontendKey, frontendId, type Operation } from "../../agent/core/operation.ts";
import { markGone } from "../../agent/core/plan.ts";
import type { ObjectChange } from "../../agent/core/relevance.ts";
import { finish } from "../../agent/core/steps.ts";
import { SyncPlanner } from "../../agent/core/sync-planner.ts";
import type { Datapath, MapSizes } from "../../agent/shell/kernel/datapath.ts";
import { programTestRun } from "../../agent/shell/kernel/syscall.ts";
import { NODE as NODE_NAME, snapshot } from "../agent/core/arbitrary-objects.ts";
import { ModelKernel } from "../agent/core/model-kernel.ts";
import { build } from "./packet.ts";
import { DROP, PacketTable, REDIRECT } from "./packet-table.ts";
import { read } from "./seen-packet.ts";
import { NODE, network, TCP, testSizes, World } from "./world.ts";

/** Everything that may be desired fits. */
const sizes: Partial<MapSizes> = { ...testSizes, arena: 4096, sourceRanges: 256 };
/** In the first of the source ranges that Services may have, and in no other. */
const CLIENT = "192.0.2.7";
const ADMITS_CLIENT = "192.0.2.0/24";
/** Packets before the flows that they left are forgotten: two entries each, and room to spare. */
const FLOWS = 1000;

/** What a frontend is to its clients, whichever indices it has. */
interface Served {
  readonly key: FrontendKey;
  readonly backends: readonly string[];
  readonly external: readonly string[];
  readonly scope: "cluster" | "external";
  /** To the client: as to everybody, by a source range, or not. */
  readonly open: Open;
}
type Open = "all" | "range" | "no";
type AllServed = ReadonlyMap<string, Served>;

const openBy = (admits: "all" | readonly string[]): Open =>
  admits === "all" ? "all" : admits.includes(ADMITS_CLIENT) ? "range" : "no";

const seed = Number(process.env["SANSPROXY_SEED"] ?? Date.now() % 2 ** 31);
let world: World;
let datapath: Datapath;
let table: PacketTable;
let frames: Record<Side, { program: number; link: Buffer; context: Buffer }>;
let sent = 0;

const sides = ["backends", "external"] as const;
type Side = (typeof sides)[number];

beforeAll(() => {
  world = new World();
  datapath = world.datapath(sizes);
  // The endpoints' network is this node's, so that packets for them go to the stack, whatever its routes are.
  // The client is a pod of it too: source ranges do not hear any other at a pod's device.
  datapath.configure({ ...network, podCidrs: ["10.244.0.0/24", `${CLIENT}/32`] });
  table = new PacketTable(world, datapath, "eth0", sizes);
  const entrance = (name: string, device: string) => {
    const link: { ifindex: number; address: string } = JSON.parse(world.node.ip("-j", "link", "show", device))[0];
    const context = Buffer.alloc(192);
    context.writeUInt32LE(link.ifindex, 40);
    const program = datapath.programs().get(name);
    if (program === undefined) throw new Error(`no program ${name}`);
    return { program, link: Buffer.from(link.address.replaceAll(":", ""), "hex"), context };
  };
  frames = { backends: entrance("pod_ingress", "pod0"), external: entrance("node_ingress", "eth0") };
});

afterAll(() => world.cleanup.run());

/** Reads the maps back; throws where a cell of a selection leads to nothing. */
function held(): AllServed {
  const state = datapath.read();
  const model = new ModelKernel(datapath.capacity);
  for (const kind of ["frontends", "selections", "backends", "sourceRanges"] as const)
    for (const [id, value] of state[kind]) (model[kind] as Map<unknown, unknown>).set(id, value);
  for (const [offset, ids] of state.extents) model.arena.set(ids, offset);
  return new Map(
    Object.entries(model.meaning()).map(([id, { backends, external, scope, admits }]) => {
      const key = state.frontends.get(id)?.key;
      if (key === undefined) throw new Error(`${id} is not in the maps`);
      return [id, { key, backends, external, scope, open: openBy(admits) }];
    }),
  );
}

function wanted({ services }: DesiredState): AllServed {
  const all = new Map<string, Served>();
  for (const { frontends, selections, sourceRanges } of services) {
    const idsOf = (key: string) =>
      selections
        .find((each) => each.key === key)
        ?.backends.map(backendId)
        .sort() ?? [];
    for (const { key, selection, externalSelection, scope, sourceRanges: restricted, servicePort } of frontends) {
      const ranges = sourceRanges.filter((range) => range.servicePort === servicePort).map(({ cidr }) => cidr);
      const lists = { backends: idsOf(selection), external: idsOf(externalSelection) };
      all.set(frontendId(key), { key, ...lists, scope, open: openBy(restricted ? ranges : "all") });
    }
  }
  return all;
}

/** What may become of a first packet to a frontend that is one of these, absent ones included. */
function outcomes(states: readonly (Served | undefined)[], side: Side): string[] {
  const present = states.filter((each) => each !== undefined);
  const served = present.filter(({ scope }) => side === "backends" || scope === "external");
  const allowed = present.length < states.length || served.length < present.length ? ["untouched"] : [];
  // Whom it admits and where it leads to are different writes.
  if (served.some(({ open }) => open === "no")) allowed.push("dropped");
  if (served.every(({ open }) => open === "no")) return allowed;
  for (const { [side]: backends } of served) {
    // Which of the two is another write still: that of the frontend.
    allowed.push(...(backends.length === 0 ? ["refused", "dropped"] : backends));
  }
  return allowed;
}

/** The first packet of a new connection, through the program as it is loaded. */
function lookUp({ address, port, protocol }: FrontendKey, side: Side): string {
  if (sent++ % FLOWS === 0) table.forget();
  const { program, link, context } = frames[side];
  const frame = build({
    source: CLIENT,
    sourcePort: 1024 + (sent % 60_000),
    destination: address === "*4" ? NODE : address,
    destinationPort: port,
    protocol: protocol === TCP ? "tcp" : "udp",
    flags: "S",
  });
  const before = read(frame).to;
  link.copy(frame, 0);
  const { verdict, packet } = programTestRun(program, frame, context);
  if (verdict === DROP) return "dropped";
  const { to } = read(packet);
  if (to.startsWith(`${CLIENT}:`) && verdict === REDIRECT) return "refused";
  return to === before ? "untouched" : `${protocol}/${to.replace(":", "/")}`;
}

/** How often packets were given what: backends as one, but for those of frontends whose backends change. */
const given = new Map<string, number>();

/** Frames of tests are IPv4; no packet comes to the loopback from a device. */
const hasPackets = ({ address }: FrontendKey): boolean => !address.includes(":") && !/^(127\.|\*6)/.test(address);

function check(before: AllServed, after: AllServed, written: Operation): void {
  const now = held();
  const where = `after ${JSON.stringify(written)}`;
  for (const id of new Set([...before.keys(), ...after.keys(), ...now.keys()])) {
    const [old, next, present] = [before.get(id), after.get(id), now.get(id)];
    for (const side of sides) {
      const lists = [old, next].map((each) => each?.[side].join());
      if (!lists.includes(present?.[side].join()))
        expect.fail(`${id} leads to ${present?.[side] ?? "nothing"}, neither the old nor the new, ${where}`);
      const key = (old ?? next ?? present)?.key;
      if (key === undefined || !hasPackets(key)) continue;
      const seen = lookUp(key, side);
      const kind = !seen.includes("/") ? seen : old?.[side].join() === next?.[side].join() ? "backend" : "changed";
      given.set(kind, (given.get(kind) ?? 0) + 1);
      const allowed = outcomes([old, next], side);
      if (!allowed.includes(seen))
        expect.fail(`a packet for ${id} (${side}) was given ${seen}, not ${allowed.join(" or ")}, ${where}`);
    }
  }
}

/** Nothing of an earlier history is left. */
function empty(): void {
  const { frontends, selections, backends, sourceRanges } = datapath.read();
  for (const { key } of frontends.values()) datapath.apply({ kind: "delete-frontend", key });
  for (const range of sourceRanges.values()) datapath.apply({ kind: "delete-source-range", range });
  for (const id of selections.keys()) datapath.apply({ kind: "clear-selection", id });
  for (const id of backends.keys()) datapath.apply({ kind: "clear-backend", id });
  table.forget();
}

/** From one to the other. */
function sliceChanges(from: Snapshot | undefined, to: Snapshot): ObjectChange<EndpointSlice>[] {
  const [before, after] = [from?.endpointSlices.objects, to.endpointSlices.objects];
  const names = new Set([...(before?.keys() ?? []), ...after.keys()]);
  return [...names].map((name) => ({ before: before?.get(name), after: after.get(name) }));
}

/** Carries plans out on the maps, write by write; a crash leaves the rest of one undone. */
class Agent {
  #mirror = new KernelMirror(datapath.read(), 0);
  #planner = new SyncPlanner(NODE_NAME);
  #last: Snapshot | undefined;
  now = 0;
  /** By what the plan looked at: everything, or changed endpoints alone. */
  readonly written = {
    everything: new Map<Operation["kind"], number>(),
    endpoints: new Map<Operation["kind"], number>(),
  };
  /** Plans of endpoints alone that ended between two writes. */
  endpointPlansCut = 0;

  /** `cut`: how many of the writes still happen. */
  step(state: Snapshot, cut?: number): void {
    const input = {
      ...{ snapshot: state, facts: {}, capacity: datapath.capacity },
      everything: state.services !== this.#last?.services,
      slices: sliceChanges(this.#last, state),
    };
    const next = finish(this.#planner.plan(this.#mirror, input, this.now));
    const { operations, deferred, whole } = next;
    this.#last = state;
    expect(deferred).toEqual([]);
    const written = this.written[whole ? "everything" : "endpoints"];
    const [before, after] = [held(), wanted(desiredState(state, NODE_NAME))];
    const end = cut === undefined ? operations.length : cut % (operations.length + 1);
    const write = (operation: Operation) => {
      datapath.apply(operation);
      this.#mirror.record(operation, this.now);
      written.set(operation.kind, (written.get(operation.kind) ?? 0) + 1);
      check(before, after, operation);
    };
    for (const operation of operations.slice(0, end)) write(operation);
    this.#planner.carriedOut(end === operations.length);
    for (const operation of markGone(this.#mirror, next)) write(operation);
    if (end === operations.length) {
      expect(new Map([...held()].sort())).toEqual(new Map([...after].sort()));
    } else {
      if (!whole && end > 0) this.endpointPlansCut++;
      this.#mirror = new KernelMirror(datapath.read(), this.now);
      this.#planner = new SyncPlanner(NODE_NAME);
    }
  }
}

test(`the maps serve every packet as before or as after, whichever write was the last (seed ${seed})`, () => {
  const total = { everything: new Map<string, number>(), endpoints: new Map<string, number>() };
  let endpointPlansCut = 0;
  const history = fc.array(fc.tuple(snapshot, fc.nat(), fc.nat({ max: 3 }), fc.nat({ max: 3 })), {
    minLength: 2,
    maxLength: 4,
  });
  const absent = datapath.counters()["drop_absent_backend"];
  world.node.inside(() =>
    fc.assert(
      fc.property(snapshot, history, (first, changes) => {
        empty();
        const agent = new Agent();
        agent.step(first);
        let last = first;
        for (const [state, cut, pause, oneOfFour] of changes) {
          agent.now += pause * (GRACE_MS / 2);
          last = oneOfFour > 0 ? { ...last, endpointSlices: state.endpointSlices } : state;
          agent.step(last, pause < 2 ? cut : undefined);
        }
        // What was left over by now is finished; then what has been idle is cleared, selections before backends.
        for (let round = 0; round < 3; round++) {
          agent.step(last);
          agent.now += GRACE_MS;
        }
        for (const part of ["everything", "endpoints"] as const)
          for (const [kind, count] of agent.written[part]) total[part].set(kind, (total[part].get(kind) ?? 0) + count);
        endpointPlansCut += agent.endpointPlansCut;
        expect(datapath.counters()["drop_absent_backend"]).toBe(absent);
      }),
      { seed, numRuns: 40, endOnFailure: true },
    ),
  );
  // A proof about writes that never happened would be none.
  for (const kind of [
    "write-backend",
    "mark-backend",
    "write-extent",
    "flip-selection",
    "upsert-frontend",
    "delete-frontend",
    "clear-selection",
    "clear-backend",
  ])
    expect((total.everything.get(kind) ?? 0) + (total.endpoints.get(kind) ?? 0), kind).toBeGreaterThan(0);
  for (const kind of ["write-backend", "write-extent", "flip-selection", "upsert-frontend"])
    expect(total.endpoints.get(kind) ?? 0, `${kind}, of endpoints alone`).toBeGreaterThan(0);
  expect(endpointPlansCut).toBeGreaterThan(0);
  for (const kind of ["backend", "changed", "refused", "dropped", "untouched"])
    expect(given.get(kind) ?? 0, kind).toBeGreaterThan(0);
});
