// SPDX-License-Identifier: Apache-2.0
// Maps that grow while traffic flows: nothing that was served is lost, flows keep their backend, and a crash on the way is made good.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Capacity } from "../../agent/core/operation.ts";
import { defaultEntries } from "../../agent/maps/map-table.ts";
import { GrowingDatapath } from "../../agent/shell/growing-datapath.ts";
import { Datapath } from "../../agent/shell/kernel/datapath.ts";
import { createLog } from "../../agent/shell/log.ts";
import { NODE, network, objectsDir, POD, serve, TCP, testSizes, World } from "./world.ts";

const NOTHING: Capacity = { frontends: 0, selections: 0, arena: 0, backends: 0, sourceRanges: 0 };
const SIZES = { ...defaultEntries, ...testSizes };
const FRONTEND = { address: "*4", port: 30_001, protocol: TCP } as const;

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.cleanup.run());

function open(limitBytes = 2 ** 30): GrowingDatapath {
  const options = { bpfRoot: world.bpfRoot, cgroupRoot: world.cgroup, objectsDir: objectsDir(), sizes: testSizes };
  const silent = createLog("error", () => undefined);
  const datapath = new GrowingDatapath(options, limitBytes, silent, (sized) => {
    const opened = new Datapath(sized);
    const attach = opened.attach.bind(opened);
    opened.attach = (...to) => (failing ? fail() : world.node.inside(() => attach(...to)));
    return opened;
  });
  world.cleanup.add(() => datapath.close());
  return datapath;
}

/** Programs cannot be attached while it is true. */
let failing = false;
function fail(): never {
  throw new Error("no more links");
}

const folders = () => readdirSync(join(world.bpfRoot, "sansproxy")).filter((name) => name.startsWith("services_"));

test("larger maps hold what the smaller held, and connections go on through the change", async () => {
  const datapath = open();
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
  const first = open();
  serve(first, FRONTEND, [{ address: POD, port: 8080 }]);
  first.attach(["eth0"]);
  await first.makeRoom({ ...NOTHING, backends: SIZES.backends });
  const [before, { capacity }] = [first.read(), first];
  first.close();
  const second = open();
  expect(second.capacity).toEqual(capacity);
  expect(second.read()).toEqual(before);
});

test("maps that may take no more memory stay as they are", async () => {
  const datapath = open(1);
  expect(await datapath.makeRoom({ ...NOTHING, frontends: SIZES.frontends })).toBe(false);
  expect(folders()).toHaveLength(1);
});

test("a change that fails leaves the smaller maps serving, and can be tried again", async () => {
  const datapath = open();
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
