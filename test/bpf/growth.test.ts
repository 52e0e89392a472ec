// SPDX-License-Identifier: Apache-2.0
// Maps that grow while traffic flows: nothing that was served is lost, and a change that fails is made good.
import { mkdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { fitNetwork, nodeNeeds } from "../../agent/core/node-capacity.ts";
import { parseAddress } from "../../agent/maps/address.ts";
import { FRONTEND, GrowingWorld, NOTHING, SIZES } from "./growing-world.ts";
import { NODE, network, POD, serve } from "./world.ts";

let world: GrowingWorld;
beforeEach(() => {
  world = new GrowingWorld();
});
afterEach(() => world.cleanup.run());

test("larger maps hold what the smaller held, and connections go on through the change", async () => {
  const datapath = await world.open();
  datapath.configure(network);
  serve(datapath, FRONTEND, [{ address: POD, port: 8080 }]);
  await datapath.attach(["eth0"]);
  const before = datapath.read();
  await world.talker(world.pod).listen("tcp", POD, 8080, "pod");
  const client = world.talker(world.client);
  expect(await client.tcp(NODE, 30_001)).toMatchObject({ name: "pod" });

  expect(await datapath.makeRoom({ ...NOTHING, frontends: SIZES.frontends })).toBe(true);
  expect(datapath.capacity.frontends).toBeGreaterThan(SIZES.frontends);
  expect(datapath.read()).toEqual(before);
  expect(world.folders()).toHaveLength(1);
  expect(await client.tcp(NODE, 30_001)).toMatchObject({ name: "pod" });
  expect(await datapath.makeRoom({ ...NOTHING, frontends: SIZES.frontends })).toBe(false);
});

test("a start goes on with the largest maps, whatever size it was told", async () => {
  const first = await world.open();
  serve(first, FRONTEND, [{ address: POD, port: 8080 }]);
  await first.attach(["eth0"]);
  await first.makeRoom({ ...NOTHING, backends: SIZES.backends });
  const [before, { capacity }] = [first.read(), first];
  first.close();
  const second = await world.open();
  expect(second.capacity).toEqual(capacity);
  expect(second.read()).toEqual(before);
});

test("maps that may take no more memory stay as they are", async () => {
  const datapath = await world.open(1);
  expect(await datapath.makeRoom({ ...NOTHING, frontends: SIZES.frontends })).toBe(false);
  expect(world.folders()).toHaveLength(1);
});

test("a change that fails leaves the smaller maps serving, and can be tried again", async () => {
  const datapath = await world.open();
  datapath.configure(network);
  serve(datapath, FRONTEND, [{ address: POD, port: 8080 }]);
  await datapath.attach(["eth0"]);
  await world.talker(world.pod).listen("tcp", POD, 8080, "pod");
  world.failing = true;
  const needs = { ...NOTHING, arena: SIZES.arena };
  await expect(datapath.makeRoom(needs)).rejects.toThrow("no more links");
  world.failing = false;
  expect(datapath.capacity.arena).toBe(SIZES.arena);
  expect(await world.talker(world.client).tcp(NODE, 30_001)).toMatchObject({ name: "pod" });
  expect(await datapath.makeRoom(needs)).toBe(true);
  expect(await world.talker(world.client).tcp(NODE, 30_001)).toMatchObject({ name: "pod" });
});

describe("maps of nodes", () => {
  const others = Array.from({ length: 40 }, (_, index) => `10.78.0.${index + 1}`);
  const large = { ...network, clusterNodeAddresses: [NODE, ...others] };

  test("grow before more is written than they hold, and what they held serves on", async () => {
    const datapath = await world.open(2 ** 30, { nodeAddresses: 8, networks: 8 });
    datapath.configure(network);
    serve(datapath, FRONTEND, [{ address: POD, port: 8080 }]);
    await datapath.attach(["eth0"]);
    await world.talker(world.pod).listen("tcp", POD, 8080, "pod");
    const client = world.talker(world.client);
    await client.tcp(NODE, 30_001, { key: "long" });
    expect(() => datapath.configure(large)).toThrow(/full/);
    const capacity = await datapath.makeRoomForNode(nodeNeeds(large));
    expect(fitNetwork(large, capacity, "n1")).toEqual({ network: large, problems: [] });
    datapath.configure(large);
    const map = world.pinned("node_addresses", { nodeAddresses: capacity.nodeAddresses, networks: capacity.networks });
    expect([...map.walk()]).toHaveLength(41);
    expect(await client.tcp(NODE, 30_001, { key: "long" })).toMatchObject({ name: "pod" });
    expect(datapath.configure(large)).toBe(0);
  });

  test("that may take no more memory are given what fits, this node's own first", async () => {
    const datapath = await world.open(1, { nodeAddresses: 8, networks: 8 });
    const capacity = await datapath.makeRoomForNode(nodeNeeds(large));
    const fitted = fitNetwork(large, capacity, "n1");
    expect(fitted.problems.map(({ reason }) => reason)).toEqual(["NodeAddressesFull"]);
    datapath.configure(fitted.network);
    const map = world.pinned("node_addresses", { nodeAddresses: 8, networks: 8 });
    expect([...map.walk()]).toHaveLength(8);
    expect(map.get(parseAddress(NODE))).toBeDefined();
  });

  test("take as many Pods whose sockets are left alone as there are", async () => {
    const datapath = await world.open(2 ** 30, { socketBypass: 4 });
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
