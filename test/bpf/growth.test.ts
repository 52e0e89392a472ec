// SPDX-License-Identifier: Apache-2.0
// Maps that grow while traffic flows: nothing that was served is lost, flows keep their backend, and a crash on the way is made good.
import { mkdirSync, readdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { keptByLru } from "../../agent/core/growth.ts";
import { fitNetwork, nodeNeeds } from "../../agent/core/node-capacity.ts";
import type { Capacity } from "../../agent/core/operation.ts";
import { parseAddress } from "../../agent/maps/address.ts";
import { defaultEntries, mapFolders, mapShapes } from "../../agent/maps/map-table.ts";
import { GrowingDatapath } from "../../agent/shell/growing-datapath.ts";
import { Datapath, type MapSizes } from "../../agent/shell/kernel/datapath.ts";
import { HashMap } from "../../agent/shell/kernel/hash-map.ts";
import { possibleCpus } from "../../agent/shell/kernel/possible-cpus.ts";
import { close, openPinned } from "../../agent/shell/kernel/syscall.ts";
import { createLog } from "../../agent/shell/log.ts";
import { fragmentsOf } from "./fragments.ts";
import { build } from "./packet.ts";
import { NEXT, PacketTable } from "./packet-table.ts";
import { allowedCpus, runOn } from "./this-thread.ts";
import { CLIENT, NODE, network, objectsDir, POD, serve, TCP, testSizes, UDP, World } from "./world.ts";

const NOTHING: Capacity = { frontends: 0, selections: 0, arena: 0, backends: 0, sourceRanges: 0 };
const SIZES = { ...defaultEntries, ...testSizes };
const FRONTEND = { address: "*4", port: 30_001, protocol: TCP } as const;

let world: World;
beforeEach(() => {
  world = new World();
  atChange = { before: () => undefined, after: () => undefined };
});
afterEach(() => world.cleanup.run());

async function open(limitBytes = 2 ** 30, special: Partial<MapSizes> = {}): Promise<GrowingDatapath> {
  const sizes = { ...testSizes, ...special };
  const options = { bpfRoot: world.bpfRoot, cgroupRoot: world.cgroup, objectsDir: objectsDir(), sizes };
  const silent = createLog("error", () => undefined);
  const datapath = await GrowingDatapath.open(options, limitBytes, silent, async (sized) => {
    const opened = await Datapath.open(sized);
    newest = { opened, sizes: sized.sizes ?? sizes };
    const attach = opened.attach.bind(opened);
    opened.attach = (...to) => {
      if (failing) fail();
      atChange.before();
      const result = world.node.inside(() => attach(...to));
      atChange.after();
      return result;
    };
    return opened;
  });
  world.cleanup.add(() => datapath.close());
  return datapath;
}

/** What was opened last. */
let newest: { readonly opened: Datapath; readonly sizes: Partial<MapSizes> };

/** Runs packets through it, without any that run through earlier ones. */
const tableOfNewest = () => new PacketTable(world, newest.opened, "eth0", newest.sizes);

/** Programs cannot be attached while it is true. */
let failing = false;
function fail(): never {
  throw new Error("no more links");
}

/** Called when programs are attached. */
let atChange: { before: () => void; after: () => void };

const folders = (group = "services") =>
  readdirSync(join(world.bpfRoot, "sansproxy")).filter((name) => name.startsWith(`${group}_`));

/** A pinned map of the programs, of this size. */
function pinned(name: "flows" | "fragments" | "node_addresses", special: Partial<MapSizes> = {}): HashMap {
  const sizes = { ...SIZES, ...special };
  const fd = openPinned(join(world.bpfRoot, "sansproxy", mapFolders(sizes)[name], name));
  if (fd === undefined) throw new Error(`${name} of these sizes is not pinned`);
  world.cleanup.add(() => close(fd));
  return new HashMap(name, fd, mapShapes(sizes)[name]);
}

/** An entry of `flows` that no packet has. */
const flowKey = (number: number): Buffer => {
  const key = Buffer.alloc(mapShapes(SIZES).flows.keyBytes);
  key.writeUInt32LE(number + 1, 0);
  return key;
};
const flowValue = (mark: number): Buffer => Buffer.alloc(mapShapes(SIZES).flows.valueBytes, mark);

/** So many entries that a map of this size grows, and no more than it holds for certain. */
const tooMany = (entries: number): number => Math.ceil(0.9 * keptByLru(entries, possibleCpus()));

function fillFlows(map: HashMap): void {
  for (let number = 0; number < tooMany(SIZES.flows); number++) map.set(flowKey(number), flowValue(1));
}

test("larger maps hold what the smaller held, and connections go on through the change", async () => {
  const datapath = await open();
  datapath.configure(network);
  serve(datapath, FRONTEND, [{ address: POD, port: 8080 }]);
  datapath.attach(["eth0"]);
  const before = datapath.read();
  await world.talker(world.pod).listen("tcp", POD, 8080, "pod");
  const client = world.talker(world.client);
  expect(await client.tcp(NODE, 30_001)).toMatchObject({ name: "pod" });

  expect(await datapath.makeRoom({ ...NOTHING, frontends: SIZES.frontends })).toBe(true);
  expect(datapath.capacity.frontends).toBeGreaterThan(SIZES.frontends);
  expect(datapath.read()).toEqual(before);
  expect(folders()).toHaveLength(1);
  expect(await client.tcp(NODE, 30_001)).toMatchObject({ name: "pod" });
  expect(await datapath.makeRoom({ ...NOTHING, frontends: SIZES.frontends })).toBe(false);
});

test("a start goes on with the largest maps, whatever size it was told", async () => {
  const first = await open();
  serve(first, FRONTEND, [{ address: POD, port: 8080 }]);
  first.attach(["eth0"]);
  await first.makeRoom({ ...NOTHING, backends: SIZES.backends });
  const [before, { capacity }] = [first.read(), first];
  first.close();
  const second = await open();
  expect(second.capacity).toEqual(capacity);
  expect(second.read()).toEqual(before);
});

test("maps that may take no more memory stay as they are", async () => {
  const datapath = await open(1);
  expect(await datapath.makeRoom({ ...NOTHING, frontends: SIZES.frontends })).toBe(false);
  expect(folders()).toHaveLength(1);
});

test("a change that fails leaves the smaller maps serving, and can be tried again", async () => {
  const datapath = await open();
  datapath.configure(network);
  serve(datapath, FRONTEND, [{ address: POD, port: 8080 }]);
  datapath.attach(["eth0"]);
  await world.talker(world.pod).listen("tcp", POD, 8080, "pod");
  failing = true;
  const needs = { ...NOTHING, arena: SIZES.arena };
  await expect(datapath.makeRoom(needs)).rejects.toThrow("no more links");
  failing = false;
  expect(datapath.capacity.arena).toBe(SIZES.arena);
  expect(await world.talker(world.client).tcp(NODE, 30_001)).toMatchObject({ name: "pod" });
  expect(await datapath.makeRoom(needs)).toBe(true);
  expect(await world.talker(world.client).tcp(NODE, 30_001)).toMatchObject({ name: "pod" });
});

describe("maps of connections", () => {
  test("grow when they fill up, and an open connection goes on as if nothing had happened", async () => {
    const datapath = await open();
    datapath.configure(network);
    serve(datapath, FRONTEND, [{ address: POD, port: 8080 }]);
    datapath.attach(["eth0"]);
    await world.talker(world.pod).listen("tcp", POD, 8080, "pod");
    const client = world.talker(world.client);
    const { sees } = await client.tcp(NODE, 30_001, { key: "long" });
    expect(await datapath.makeRoomForConnections()).toEqual([]);
    expect(folders("flows")).toEqual([expect.stringMatching(/_4096$/)]);

    fillFlows(pinned("flows"));
    expect(await datapath.makeRoomForConnections()).toEqual([]);
    expect(folders("flows")).toEqual([expect.stringMatching(/_8192$/)]);
    const grown = pinned("flows", { flows: 8192 });
    expect(grown.get(flowKey(0))).toEqual(flowValue(1));
    expect(grown.get(flowKey(tooMany(SIZES.flows) - 1))).toEqual(flowValue(1));
    expect(await client.tcp(NODE, 30_001, { key: "long" })).toMatchObject({ name: "pod", sees });
    expect(await client.tcp(NODE, 30_001)).toMatchObject({ name: "pod" });
    expect(folders("services")).toHaveLength(1);
  });

  test("get what programs entered while the maps changed over, and keep what they were given since", async () => {
    const datapath = await open();
    datapath.configure(network);
    datapath.attach(["eth0"]);
    const smaller = pinned("flows");
    fillFlows(smaller);
    atChange = {
      before: () => {
        smaller.set(flowKey(10_000), flowValue(2));
        smaller.set(flowKey(10_001), flowValue(2));
      },
      after: () => pinned("flows", { flows: 8192 }).set(flowKey(10_001), flowValue(3)),
    };
    await datapath.makeRoomForConnections();
    const grown = pinned("flows", { flows: 8192 });
    expect(grown.get(flowKey(10_000))).toEqual(flowValue(2));
    expect(grown.get(flowKey(10_001))).toEqual(flowValue(3));
  });

  test("that may take no more memory stay, and it is said which are full", async () => {
    const datapath = await open(1);
    datapath.attach(["eth0"]);
    const map = pinned("flows");
    for (let number = 0; number < SIZES.flows; number++) map.set(flowKey(number), flowValue(1));
    expect(await datapath.makeRoomForConnections()).toEqual(["flows"]);
    expect(folders("flows")).toEqual([expect.stringMatching(/_4096$/)]);
  });

  test("are the larger ones after a start, also when Services' maps have stayed as they were", async () => {
    const first = await open();
    first.attach(["eth0"]);
    fillFlows(pinned("flows"));
    await first.makeRoomForConnections();
    first.close();
    await open();
    expect(folders("flows")).toEqual([expect.stringMatching(/_8192$/)]);
  });
});

describe("the map of packets in fragments", () => {
  const SMALL = { fragments: 512 * possibleCpus() };
  const MANY = tooMany(SMALL.fragments);
  const ofSize = (entries: number) => expect.stringMatching(new RegExp(`_${entries}$`));
  const toNodePort = { protocol: "udp", source: CLIENT, destination: NODE, destinationPort: FRONTEND.port } as const;

  /** The fragments of a datagram from this port: the first, and others. */
  function datagram(sourcePort: number): readonly [Buffer, Buffer, Buffer] {
    const frame = build({ ...toNodePort, sourcePort, payload: "f".repeat(300) });
    // What tells datagrams of one client apart.
    frame.writeUInt16BE(sourcePort, 18);
    const [first, second, third] = fragmentsOf(frame, 120);
    if (!first || !second || !third) throw new Error("a datagram of 300 bytes has three fragments of 120");
    return [first, second, third];
  }

  const monotonicSeconds = () => Number(process.hrtime.bigint() / 1_000_000_000n);

  /** First fragments that came so long ago, numbered from `first`. */
  function fill(map: HashMap, entries: number, secondsAgo: number, first = 0): void {
    for (let number = first; number < first + entries; number++) {
      const key = Buffer.alloc(40);
      key.writeUInt32LE(number + 1, 0);
      const value = Buffer.alloc(12, 1);
      value.writeUInt32LE(monotonicSeconds() - secondsAgo, 8);
      map.set(key, value);
    }
  }

  test("grows when it is filled by those whose fragments may still come, not by those of before", async () => {
    const datapath = await open(2 ** 30, SMALL);
    datapath.attach(["eth0"]);
    const map = pinned("fragments", SMALL);
    fill(map, MANY, 62);
    expect(await datapath.makeRoomForConnections()).toEqual([]);
    expect(folders("fragments")).toEqual([ofSize(SMALL.fragments)]);
    fill(map, MANY, 0);
    expect(await datapath.makeRoomForConnections()).toEqual([]);
    expect(folders("fragments")).toEqual([ofSize(2 * SMALL.fragments)]);
    const grown = pinned("fragments", { fragments: 2 * SMALL.fragments });
    expect([...grown.entries()].length).toBe([...map.entries()].length);
    expect(folders("flows")).toHaveLength(1);
  });

  test("holds for certain what growth counts on, also when packets come to all CPUs in turn", async () => {
    await open(2 ** 30, SMALL);
    const map = pinned("fragments", SMALL);
    const kept = keptByLru(SMALL.fragments, possibleCpus());
    const cpus = allowedCpus();
    world.cleanup.add(() => runOn(...cpus));
    let most = 0;
    for (let turn = 0; turn < 16 * cpus.length; turn++) {
      runOn(cpus[turn % cpus.length] as number);
      fill(map, 64, 0, turn * 64);
      const held = [...map.entries()].length;
      expect(held).toBeGreaterThanOrEqual(Math.min(most, kept));
      most = Math.max(most, held);
    }
    expect(most).toBeGreaterThanOrEqual(kept);
  });

  test("that may take no more memory stays, and it is said that it is full", async () => {
    const datapath = await open(1, SMALL);
    datapath.attach(["eth0"]);
    fill(pinned("fragments", SMALL), SMALL.fragments, 0);
    expect(await datapath.makeRoomForConnections()).toEqual(["fragments"]);
    expect(folders("fragments")).toEqual([ofSize(SMALL.fragments)]);
  });

  test("is left with no fragment on a wrong way: one that comes in the moment of the change may be lost, and is counted", async () => {
    const datapath = await open(2 ** 30, SMALL);
    datapath.configure(network);
    serve(datapath, { ...FRONTEND, protocol: UDP }, [{ address: POD, port: 8080 }]);
    datapath.attach(["eth0"]);
    fill(pinned("fragments", SMALL), MANY, 0);
    const smaller = tableOfNewest();
    const [earlier, ofEarlier, lastOfEarlier] = datagram(6001);
    const [meanwhile, ofMeanwhile, lastOfMeanwhile] = datagram(6002);
    smaller.run("node_ingress", earlier);
    const atTheChange: ReturnType<PacketTable["run"]>[] = [];
    atChange = {
      before: () => smaller.run("node_ingress", meanwhile),
      after: () => {
        const larger = tableOfNewest();
        for (const frame of [ofEarlier, ofMeanwhile]) atTheChange.push(larger.run("node_ingress", frame));
      },
    };
    await datapath.makeRoomForConnections();
    const toPod = { verdict: NEXT, counted: { fragment_followed: 1, rewritten: 1 } };
    expect(atTheChange[0]).toMatchObject(toPod);
    expect(atTheChange[1]).toMatchObject({ verdict: NEXT, counted: { fragment_passed: 1 } });
    expect(atTheChange[1]?.packet.equals(ofMeanwhile)).toBe(true);
    const larger = tableOfNewest();
    for (const frame of [lastOfEarlier, lastOfMeanwhile]) {
      const { packet, ...ran } = larger.run("node_ingress", frame);
      expect(ran).toEqual(toPod);
      expect(packet.subarray(30, 34)).toEqual(parseAddress(POD).subarray(12));
    }
  });
});

describe("maps of nodes", () => {
  const others = Array.from({ length: 40 }, (_, index) => `10.78.0.${index + 1}`);
  const large = { ...network, clusterNodeAddresses: [NODE, ...others] };

  test("grow before more is written than they hold, and what they held serves on", async () => {
    const datapath = await open(2 ** 30, { nodeAddresses: 8, networks: 8 });
    datapath.configure(network);
    serve(datapath, FRONTEND, [{ address: POD, port: 8080 }]);
    datapath.attach(["eth0"]);
    await world.talker(world.pod).listen("tcp", POD, 8080, "pod");
    const client = world.talker(world.client);
    await client.tcp(NODE, 30_001, { key: "long" });
    expect(() => datapath.configure(large)).toThrow(/full/);
    const capacity = await datapath.makeRoomForNode(nodeNeeds(large));
    expect(fitNetwork(large, capacity, "n1")).toEqual({ network: large, problems: [] });
    datapath.configure(large);
    const map = pinned("node_addresses", { nodeAddresses: capacity.nodeAddresses, networks: capacity.networks });
    expect([...map.walk()]).toHaveLength(41);
    expect(await client.tcp(NODE, 30_001, { key: "long" })).toMatchObject({ name: "pod" });
    expect(datapath.configure(large)).toBe(0);
  });

  test("that may take no more memory are given what fits, this node's own first", async () => {
    const datapath = await open(1, { nodeAddresses: 8, networks: 8 });
    const capacity = await datapath.makeRoomForNode(nodeNeeds(large));
    const fitted = fitNetwork(large, capacity, "n1");
    expect(fitted.problems.map(({ reason }) => reason)).toEqual(["NodeAddressesFull"]);
    datapath.configure(fitted.network);
    const map = pinned("node_addresses", { nodeAddresses: 8, networks: 8 });
    expect([...map.walk()]).toHaveLength(8);
    expect(map.get(parseAddress(NODE))).toBeDefined();
  });

  test("take as many Pods whose sockets are left alone as there are", async () => {
    const datapath = await open(2 ** 30, { socketBypass: 4 });
    const cgroups = Array.from({ length: 10 }, (_, index) => join(world.cgroup, `pod-${index}`));
    for (const cgroup of cgroups) {
      mkdirSync(cgroup);
      world.cleanup.add(() => rmdirSync(cgroup));
    }
    expect(await datapath.makeRoomForBypass(cgroups.length)).toBeGreaterThanOrEqual(cgroups.length);
    expect(datapath.bypassSockets(cgroups)).toBe(cgroups.length + 1);
    expect(datapath.bypassSockets(cgroups)).toBe(0);
  });
});
