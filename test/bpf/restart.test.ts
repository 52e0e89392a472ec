// SPDX-License-Identifier: Apache-2.0
// What stays when the agent goes and comes back, and what the maps refuse.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { KernelState, Operation } from "../../agent/core/operation.ts";
import { finish } from "../../agent/core/steps.ts";
import { ABI, defaultEntries } from "../../agent/maps/map-table.ts";
import type { Datapath } from "../../agent/shell/kernel/datapath.ts";
import { KernelError } from "../../agent/shell/kernel/kernel-error.ts";
import { Pins } from "../../agent/shell/kernel/pins.ts";
import { NODE, network, POD, serve, TCP, testSizes, UDP, World } from "./world.ts";

let world: World;

beforeEach(() => {
  world = new World();
});

afterEach(() => world.cleanup.run());

const links = [
  ...["connect4", "connect6", "getpeername4", "getpeername6", "post_bind4", "post_bind6"],
  ...["recvmsg4", "recvmsg6", "sendmsg4", "sendmsg6", "socket_egress"],
];
const all = [...links, "node_egress@eth0", "node_ingress@eth0"].sort();

/** Frontends that lead to a backend that is absent: always none. */
function dangling(state: KernelState): string[] {
  return [...state.frontends].flatMap(([id, { entry }]) => {
    const selection = state.selections.get(entry.selection);
    if (selection === undefined) return [id];
    const cells = selection.count === 0 ? [] : (state.extents.get(selection.offset) ?? []).slice(0, selection.count);
    return cells.length === selection.count && cells.every((cell) => state.backends.has(cell)) ? [] : [id];
  });
}

test("a restart keeps every link and program, and writes nothing", async () => {
  const first = world.datapath();
  first.configure(network);
  serve(first, { address: "*4", port: 30_001, protocol: TCP }, [{ address: POD, port: 8080 }]);
  serve(first, { address: "10.96.0.1", port: 80, protocol: TCP }, []);
  expect([...world.attach(first).attached].sort()).toEqual(all);
  const before = first.read();
  expect(dangling(before)).toEqual([]);
  first.close();

  // The agent is away: traffic flows on.
  const server = world.talker(world.pod);
  await server.listen("tcp", POD, 8080, "pod");
  expect(await world.talker(world.client).tcp(NODE, 30_001)).toMatchObject({ name: "pod" });
  expect(await world.talker(world.node, true).tcp("10.96.0.1", 80)).toEqual({ error: "ECONNREFUSED" });

  const second = world.datapath();
  expect(second.read()).toEqual(before);
  expect(second.configure(network)).toBe(0);
  const result = world.attach(second);
  expect(result.attached).toEqual([]);
  expect([...result.kept].sort()).toEqual(all);
});

test("maps of another size get another name, and the old ones serve until the switch", async () => {
  const old = world.datapath();
  old.configure(network);
  serve(old, { address: "*4", port: 30_001, protocol: TCP }, [{ address: POD, port: 8080 }]);
  world.attach(old);
  old.close();
  await world.talker(world.pod).listen("tcp", POD, 8080, "pod");
  const client = world.talker(world.client);

  const grown = world.datapath({ ...testSizes, frontends: 512 });
  expect(grown.read().frontends.size).toBe(0);
  expect(await client.tcp(NODE, 30_001)).toMatchObject({ name: "pod" });

  serve(grown, { address: "*4", port: 30_001, protocol: TCP }, [{ address: POD, port: 8080 }]);
  // Nothing is made anew: each link gets the program with the new maps in one step.
  expect(world.attach(grown).attached).toEqual(expect.arrayContaining(["connect4", "node_ingress@eth0"]));
  expect(await client.tcp(NODE, 30_001)).toMatchObject({ name: "pod" });
  const folders = readdirSync(join(world.bpfRoot, "sansproxy")).filter((name) => name.startsWith("services_"));
  expect(folders).toEqual([`services_v${ABI}_512_256_1024_256_64_256`]);
});

test("a device that was replaced by another of its name is attached to again", () => {
  const datapath = world.datapath();
  world.node.ip("link", "add", "eth1.7", "type", "veth", "peer", "name", "peer7");
  world.attach(datapath, ["eth1.7"]);
  expect(world.attach(datapath, ["eth1.7"]).attached).toEqual([]);
  world.node.ip("link", "del", "eth1.7");
  world.node.ip("link", "add", "eth1.7", "type", "veth", "peer", "name", "peer7");
  expect([...world.attach(datapath, ["eth1.7"]).attached].sort()).toEqual([
    "node_egress@eth1.7",
    "node_ingress@eth1.7",
  ]);
  world.attach(datapath, []);
  expect(readdirSync(join(world.bpfRoot, "sansproxy/links")).sort()).toEqual(links);
});

test("SCTP alone is served at the device of a pod, or all of its packets instead", () => {
  const datapath = world.datapath();
  const linksAt = (device: string) =>
    readdirSync(join(world.bpfRoot, "sansproxy/links")).filter((name) => name.endsWith(`@${device}`));
  world.attach(datapath, ["eth0"], [], ["pod0"]);
  expect(linksAt("pod0").sort()).toEqual(["sctp_egress@pod0", "sctp_from_pod@pod0"]);
  world.attach(datapath, ["eth0"], ["pod0"]);
  expect(linksAt("pod0").sort()).toEqual(["node_egress@pod0", "pod_ingress@pod0"]);
  world.attach(datapath, ["eth0"]);
  expect(linksAt("pod0")).toEqual([]);
});

test("SCTP of the node itself is served at its loopback device while that is asked for", () => {
  const datapath = world.datapath();
  const linksAtLoopback = () =>
    readdirSync(join(world.bpfRoot, "sansproxy/links")).filter((name) => name.endsWith("@lo"));
  world.attach(datapath, ["eth0"], [], [], ["lo"]);
  expect(linksAtLoopback().sort()).toEqual(["sctp_egress@lo", "sctp_to_host@lo"]);
  world.attach(datapath, ["eth0"]);
  expect(linksAtLoopback()).toEqual([]);
});

test("a device that is not there is named", () => {
  const datapath = world.datapath();
  expect(() => world.attach(datapath, ["eth9"])).toThrow("there is no network device eth9 to attach to");
});

test("configuration writes only what differs", () => {
  const datapath = world.datapath();
  expect(datapath.configure(network)).toBe(7);
  expect(datapath.configure(network)).toBe(0);
  expect(datapath.configure({ ...network, clusterNodeAddresses: [NODE, "10.77.0.4"] })).toBe(2);
  expect(datapath.configure({ ...network, clusterNodeAddresses: [NODE, "10.77.0.4"], masquerade: [] })).toBe(1);
});

test("a frontend that does not fit is refused alone, with the remedy", () => {
  const datapath = world.datapath();
  const upsert = (port: number): void =>
    datapath.apply({
      kind: "upsert-frontend",
      key: { address: "10.96.0.1", port, protocol: UDP },
      entry: {
        selection: 1,
        externalSelection: 1,
        noEndpoint: "reject",
        affinitySeconds: 0,
        sourceRanges: false,
        service: 1,
        scope: "cluster",
      },
    });
  for (let port = 1; port <= datapath.capacity.frontends; port++) upsert(port);
  expect(() => upsert(40_000)).toThrow(/writing frontends at key [0-9a-f]+: E2BIG; the map is full: raise its size/);
  expect(datapath.read().frontends.size).toBe(datapath.capacity.frontends);
  upsert(1);
});

const beyond: [string, Operation][] = [
  ["backend", { kind: "write-backend", id: 256, backend: { address: POD, port: 1, protocol: TCP } }],
  ["backend 0", { kind: "write-backend", id: 0, backend: { address: POD, port: 1, protocol: TCP } }],
  ["backend's mark", { kind: "mark-backend", id: 256, gone: true }],
  ["extent", { kind: "write-extent", offset: 1023, backendIds: [1, 2] }],
  ["selection", { kind: "flip-selection", id: 256, selection: { offset: 0, count: 1, generation: 1 } }],
];

test.each(beyond)("a %s outside its array is refused, and nothing is written", (_, operation) => {
  const datapath = world.datapath();
  const before = datapath.read();
  expect(() => datapath.apply(operation)).toThrow(KernelError);
  expect(datapath.read()).toEqual(before);
});

test("a backend that has gone is read back as that, and is another state than before", () => {
  const datapath = world.datapath();
  serve(datapath, { address: "10.96.0.1", port: 53, protocol: UDP }, [{ address: POD, port: 1 }]);
  const before = datapath.read();
  const [id = 0] = before.backends.keys();
  datapath.apply({ kind: "mark-backend", id, gone: true });
  const marked = datapath.read();
  expect(marked.backends.get(id)).toEqual({ address: POD, port: 1, protocol: UDP, gone: true });
  expect([finish(datapath.holds(before)), finish(datapath.holds(marked))]).toEqual([false, true]);
  datapath.apply({ kind: "mark-backend", id, gone: false });
  expect([finish(datapath.holds(before)), finish(datapath.holds(marked))]).toEqual([true, false]);
});

test("what was cleared is gone, and clearing twice is no error", () => {
  const datapath = world.datapath();
  const selection = serve(datapath, { address: "10.96.0.1", port: 80, protocol: TCP }, [{ address: POD, port: 1 }]);
  const [backend = 0] = datapath.read().backends.keys();
  const key = { address: "10.96.0.1", port: 80, protocol: TCP };
  for (let round = 0; round < 2; round++) {
    datapath.apply({ kind: "delete-frontend", key });
    datapath.apply({ kind: "clear-selection", id: selection });
    datapath.apply({ kind: "clear-backend", id: backend });
  }
  const { frontends, selections, backends } = datapath.read();
  expect([frontends.size, selections.size, backends.size]).toEqual([0, 0, 0]);
});

test("a pinned map of another layout is refused by name", () => {
  const datapath = world.datapath();
  datapath.close();
  const pins = new Pins(world.bpfRoot, { ...defaultEntries, ...testSizes });
  Object.assign(pins.shapes.frontends, { valueBytes: 16 });
  expect(() => pins.openMap("frontends")).toThrow(/frontends has valueBytes 20 where 16 is expected/);
});

test("a closed datapath says so", () => {
  const datapath: Datapath = world.datapath();
  datapath.close();
  expect(() => datapath.read()).toThrow(/after the datapath was closed|EBADF/);
  expect(() => datapath.apply({ kind: "clear-selection", id: 1 })).toThrow("after the datapath was closed");
});
