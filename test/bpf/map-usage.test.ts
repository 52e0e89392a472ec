// SPDX-License-Identifier: Apache-2.0
// How full the kernel says the maps are: held against what was put into them, and what is in them when they are walked.

import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { defaultEntries, type MapName, mapFolders, mapShapes } from "../../agent/maps/map-table.ts";
import type { Datapath } from "../../agent/shell/kernel/datapath.ts";
import { HashMap } from "../../agent/shell/kernel/hash-map.ts";
import { openPinned } from "../../agent/shell/kernel/syscall.ts";
import { NODE, network, POD, serve, TCP, testSizes, World } from "./world.ts";

const SIZES = { ...defaultEntries, ...testSizes };
const NODE_PORT = 30_001;

let world: World;
let datapath: Datapath;
beforeAll(async () => {
  world = new World();
  datapath = world.datapath();
  datapath.configure(network);
  world.attach(datapath, ["eth0"]);
  await world.talker(world.pod).listen("tcp", POD, 8080, "pod");
});
afterAll(() => world.cleanup.run());

const usage = (map: MapName) => datapath.mapUsage().get(map);

/** By reading every entry, which the census never does. */
function walked(map: MapName): number {
  const fd = openPinned(join(world.bpfRoot, "sansproxy", mapFolders(SIZES)[map], map));
  if (fd === undefined) throw new Error(`${map} is not pinned`);
  return [...new HashMap(map, fd, mapShapes(SIZES)[map]).walk()].length;
}

test("frontends are counted as they come and go", () => {
  const frontends = Array.from({ length: 20 }, (_, at) => ({ address: `10.96.1.${at}`, port: 80, protocol: TCP }));
  for (const frontend of frontends) serve(datapath, frontend, [{ address: POD, port: 8080 }]);
  expect(usage("frontends")).toMatchObject({ entries: 20, capacity: SIZES.frontends });
  for (const key of frontends.slice(5)) datapath.apply({ kind: "delete-frontend", key });
  expect(usage("frontends")?.entries).toBe(5);
});

test("connections fill the map of flows, by as many entries as are found in it", async () => {
  serve(datapath, { address: "*4", port: NODE_PORT, protocol: TCP }, [{ address: POD, port: 8080 }]);
  const before = usage("flows")?.entries ?? Number.NaN;
  const client = world.talker(world.client);
  for (let connection = 0; connection < 10; connection++)
    expect(await client.tcp(NODE, NODE_PORT)).toMatchObject({ name: "pod" });
  const after = usage("flows")?.entries ?? Number.NaN;
  expect(after).toBeGreaterThanOrEqual(before + 20);
  expect(after).toBe(walked("flows"));
});

test("arrays are not counted, and every map has room and takes memory", () => {
  const all = datapath.mapUsage();
  expect([...all.keys()].sort()).toEqual(Object.keys(mapShapes(SIZES)).sort());
  for (const map of ["selections", "arena", "backends", "counters"] as const)
    expect(usage(map)?.entries, map).toBeUndefined();
  for (const [map, { capacity, bytes }] of all) {
    expect(capacity, map).toBe(mapShapes(SIZES)[map].entries);
    // A trie takes memory with its first entry.
    expect(bytes, map).toBeGreaterThanOrEqual(map === "source_ranges" ? 0 : 1);
  }
});
