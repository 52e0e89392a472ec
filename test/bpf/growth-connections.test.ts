// SPDX-License-Identifier: Apache-2.0
// Maps of connections that grow while traffic flows: each keeps its backend, also when the agent is cut off on the way.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { keptByLru } from "../../agent/core/growth.ts";
import { parseAddress } from "../../agent/maps/address.ts";
import { mapShapes } from "../../agent/maps/map-table.ts";
import type { HashMap } from "../../agent/shell/kernel/hash-map.ts";
import { possibleCpus } from "../../agent/shell/kernel/possible-cpus.ts";
import { allowedCpus, runOn } from "../support/this-thread.ts";
import { fragmentsOf } from "./fragments.ts";
import { FRONTEND, GrowingWorld, SIZES, tooMany } from "./growing-world.ts";
import { build } from "./packet.ts";
import { NEXT, type PacketTable } from "./packet-table.ts";
import { CLIENT, NODE, network, POD, serve, UDP } from "./world.ts";

let world: GrowingWorld;
beforeEach(() => {
  world = new GrowingWorld();
});
afterEach(() => world.cleanup.run());

/** An entry of `flows` that no packet has. */
const flowKey = (number: number): Buffer => {
  const key = Buffer.alloc(mapShapes(SIZES).flows.keyBytes);
  key.writeUInt32LE(number + 1, 0);
  return key;
};
const flowValue = (mark: number): Buffer => Buffer.alloc(mapShapes(SIZES).flows.valueBytes, mark);

function fillFlows(map: HashMap): void {
  for (let number = 0; number < tooMany(SIZES.flows); number++) map.set(flowKey(number), flowValue(1));
}

describe("maps of connections", () => {
  test("grow when they fill up, and an open connection goes on as if nothing had happened", async () => {
    const datapath = await world.open();
    datapath.configure(network);
    serve(datapath, FRONTEND, [{ address: POD, port: 8080 }]);
    await datapath.attach(["eth0"]);
    await world.talker(world.pod).listen("tcp", POD, 8080, "pod");
    const client = world.talker(world.client);
    const { sees } = await client.tcp(NODE, 30_001, { key: "long" });
    expect(await datapath.makeRoomForConnections()).toEqual([]);
    expect(world.folders("flows")).toEqual([expect.stringMatching(/_4096$/)]);

    fillFlows(world.pinned("flows"));
    expect(await datapath.makeRoomForConnections()).toEqual([]);
    expect(world.folders("flows")).toEqual([expect.stringMatching(/_8192$/)]);
    const grown = world.pinned("flows", { flows: 8192 });
    expect(grown.get(flowKey(0))).toEqual(flowValue(1));
    expect(grown.get(flowKey(tooMany(SIZES.flows) - 1))).toEqual(flowValue(1));
    expect(await client.tcp(NODE, 30_001, { key: "long" })).toMatchObject({ name: "pod", sees });
    expect(await client.tcp(NODE, 30_001)).toMatchObject({ name: "pod" });
    expect(world.folders("services")).toHaveLength(1);
  });

  test("get what programs entered while the maps changed over, and keep what they were given since", async () => {
    const datapath = await world.open();
    datapath.configure(network);
    await datapath.attach(["eth0"]);
    const smaller = world.pinned("flows");
    fillFlows(smaller);
    world.at.before = () => {
      smaller.set(flowKey(10_000), flowValue(2));
      smaller.set(flowKey(10_001), flowValue(2));
    };
    world.at.after = () => world.pinned("flows", { flows: 8192 }).set(flowKey(10_001), flowValue(3));
    await datapath.makeRoomForConnections();
    const grown = world.pinned("flows", { flows: 8192 });
    expect(grown.get(flowKey(10_000))).toEqual(flowValue(2));
    expect(grown.get(flowKey(10_001))).toEqual(flowValue(3));
  });

  test("know before the change what was entered while the rest was copied", async () => {
    const datapath = await world.open();
    await datapath.attach(["eth0"]);
    const smaller = world.pinned("flows");
    fillFlows(smaller);
    world.at.copied = () => smaller.set(flowKey(10_000), flowValue(2));
    let atTheChange: Buffer | undefined;
    world.at.before = () => {
      atTheChange = world.pinned("flows", { flows: 8192 }).get(flowKey(10_000));
    };
    await datapath.makeRoomForConnections();
    expect(atTheChange).toEqual(flowValue(2));
  });

  test("are whole after a run that was cut off while it copied, with all that served meanwhile", async () => {
    const first = await world.open();
    first.configure(network);
    serve(first, FRONTEND, [{ address: POD, port: 8080 }]);
    await first.attach(["eth0"]);
    await world.talker(world.pod).listen("tcp", POD, 8080, "pod");
    const client = world.talker(world.client);
    const { sees } = await client.tcp(NODE, 30_001, { key: "long" });
    const served = first.read();
    first.close();
    const larger = { flows: 8192, affinities: 512 };
    world.datapath({ ...SIZES, ...larger });
    const [smaller, grown] = [world.pinned("flows"), world.pinned("flows", larger)];
    // One was copied, and has been another's since.
    smaller.set(flowKey(1), flowValue(2));
    grown.set(flowKey(1), flowValue(1));

    const second = await world.open();
    expect(second.read()).toEqual(served);
    smaller.set(flowKey(2), flowValue(2));
    world.at.before = () => smaller.set(flowKey(3), flowValue(2));
    await second.attach(["eth0"]);
    for (const number of [1, 2, 3]) expect(grown.get(flowKey(number))).toEqual(flowValue(2));
    expect(world.folders("flows")).toEqual([expect.stringMatching(/_8192$/)]);
    expect(await client.tcp(NODE, 30_001, { key: "long" })).toMatchObject({ name: "pod", sees });
  });

  test("that may take no more memory stay, and it is said which are full", async () => {
    const datapath = await world.open(1);
    await datapath.attach(["eth0"]);
    const map = world.pinned("flows");
    for (let number = 0; number < SIZES.flows; number++) map.set(flowKey(number), flowValue(1));
    expect(await datapath.makeRoomForConnections()).toEqual(["flows"]);
    expect(world.folders("flows")).toEqual([expect.stringMatching(/_4096$/)]);
  });

  test("are the larger ones after a start, also when Services' maps have stayed as they were", async () => {
    const first = await world.open();
    await first.attach(["eth0"]);
    fillFlows(world.pinned("flows"));
    await first.makeRoomForConnections();
    first.close();
    await world.open();
    expect(world.folders("flows")).toEqual([expect.stringMatching(/_8192$/)]);
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
    const datapath = await world.open(2 ** 30, SMALL);
    await datapath.attach(["eth0"]);
    const map = world.pinned("fragments", SMALL);
    fill(map, MANY, 62);
    expect(await datapath.makeRoomForConnections()).toEqual([]);
    expect(world.folders("fragments")).toEqual([ofSize(SMALL.fragments)]);
    fill(map, MANY, 0);
    expect(await datapath.makeRoomForConnections()).toEqual([]);
    expect(world.folders("fragments")).toEqual([ofSize(2 * SMALL.fragments)]);
    const grown = world.pinned("fragments", { fragments: 2 * SMALL.fragments });
    expect([...grown.entries()].length).toBe([...map.entries()].length);
    expect(world.folders("flows")).toHaveLength(1);
  });

  test("holds for certain what growth counts on, also when packets come to all CPUs in turn", async () => {
    await world.open(2 ** 30, SMALL);
    const map = world.pinned("fragments", SMALL);
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
    const datapath = await world.open(1, SMALL);
    await datapath.attach(["eth0"]);
    fill(world.pinned("fragments", SMALL), SMALL.fragments, 0);
    expect(await datapath.makeRoomForConnections()).toEqual(["fragments"]);
    expect(world.folders("fragments")).toEqual([ofSize(SMALL.fragments)]);
  });

  test("is left with no fragment on a wrong way: one that comes in the moment of the change may be lost, and is counted", async () => {
    const datapath = await world.open(2 ** 30, SMALL);
    datapath.configure(network);
    serve(datapath, { ...FRONTEND, protocol: UDP }, [{ address: POD, port: 8080 }]);
    await datapath.attach(["eth0"]);
    fill(world.pinned("fragments", SMALL), MANY, 0);
    const smaller = world.tableOfNewest();
    const [earlier, ofEarlier, lastOfEarlier] = datagram(6001);
    const [meanwhile, ofMeanwhile, lastOfMeanwhile] = datagram(6002);
    smaller.run("node_ingress", earlier);
    const atTheChange: ReturnType<PacketTable["run"]>[] = [];
    world.at.before = () => smaller.run("node_ingress", meanwhile);
    world.at.after = () => {
      const larger = world.tableOfNewest();
      for (const frame of [ofEarlier, ofMeanwhile]) atTheChange.push(larger.run("node_ingress", frame));
    };
    await datapath.makeRoomForConnections();
    const toPod = { verdict: NEXT, counted: { fragment_followed: 1, rewritten: 1 } };
    expect(atTheChange[0]).toMatchObject(toPod);
    expect(atTheChange[1]).toMatchObject({ verdict: NEXT, counted: { fragment_passed: 1 } });
    expect(atTheChange[1]?.packet.equals(ofMeanwhile)).toBe(true);
    const larger = world.tableOfNewest();
    for (const frame of [lastOfEarlier, lastOfMeanwhile]) {
      const { packet, ...ran } = larger.run("node_ingress", frame);
      expect(ran).toEqual(toPod);
      expect(packet.subarray(30, 34)).toEqual(parseAddress(POD).subarray(12));
    }
  });
});
