// SPDX-License-Identifier: Apache-2.0
// UDP clients whose backend goes: sockets that are connected are let go at once, and may not send to it until they are; others
// move on by themselves.
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Datapath } from "../../agent/shell/kernel/datapath.ts";
import type { Talker } from "./talker.ts";
import { network, POD, serve, TCP, testSizes, UDP, World } from "./world.ts";

const VIP = "10.96.0.1";
const SOCKET_FLOWS = 64;
let world: World;
let datapath: Datapath;
let pod: Talker;
let host: Talker;

beforeAll(async () => {
  world = new World();
  datapath = world.datapath({ ...testSizes, socketFlows: SOCKET_FLOWS });
  datapath.configure(network);
  world.attach(datapath, []);
  pod = world.talker(world.pod, true);
  host = world.talker(world.node, true);
  const server = world.talker(world.pod);
  for (const [port, name] of [
    [8080, "one"],
    [8081, "two"],
  ] as const) {
    await server.listen("udp", "0.0.0.0", port, name);
    await server.listen("udp", "::1", port, name);
    await server.listen("tcp", "0.0.0.0", port, name);
  }
});

afterAll(() => world.cleanup.run());

/** Replaces the backends of a selection by one other: those it had are gone. */
function replace(selection: number, id: number, backend: { address: string; port: number }): void {
  const state = datapath.read();
  const old = state.selections.get(selection);
  const ids = (state.extents.get(old?.offset ?? -1) ?? []).slice(0, old?.count);
  const offset = 700 + id;
  datapath.apply({ kind: "write-backend", id, backend: { ...backend, protocol: UDP } });
  datapath.apply({ kind: "write-extent", offset, backendIds: [id] });
  datapath.apply({ kind: "flip-selection", id: selection, selection: { offset, count: 1, generation: 2 } });
  for (const old of ids) datapath.apply({ kind: "mark-backend", id: old, gone: true });
}

const release = () => world.node.inside(() => datapath.releaseSockets([world.pod.path]));

test.each([
  ["IPv4", "fresh4", VIP, POD, 53, 200],
  ["v4-mapped", "fresh46", `::ffff:${VIP}`, POD, 54, 201],
  ["IPv6", "fresh6", "fd00::1", "::1", 55, 202],
])(
  "a pod's connected %s socket is let go when its backend has gone, and connects to one that is there",
  async (_, key, address, backend, port, id) => {
    const frontend = { address: address.replace("::ffff:", ""), port, protocol: UDP };
    const selection = serve(datapath, frontend, [{ address: backend, port: 8080 }]);
    expect(await pod.udp(address, port, { connected: true, key })).toMatchObject({ name: "one" });
    replace(selection, id, { address: backend, port: 8081 });
    const before = datapath.counters()["drop_backend_gone"] ?? 0n;
    expect(await pod.udp(address, port, { connected: true, key })).toEqual({ error: "EPERM" });
    expect(datapath.counters()["drop_backend_gone"]).toBe(before + 1n);
    expect(release()).toEqual({ sockets: 1, skipped: [] });
    const { error } = await pod.udp(address, port, { connected: true, key });
    expect(error).toMatch(/^(ECONNABORTED|EDESTADDRREQ|ENOTCONN|ERR_SOCKET_DGRAM_NOT_CONNECTED)$/);
    expect(await pod.udp(address, port, { connected: true, key: `${key}-again` })).toMatchObject({ name: "two" });
    expect(release()).toEqual({ sockets: 0, skipped: [] });
  },
);

test("a host's socket is let go; sockets whose backends are there, other sockets and TCP are not", async () => {
  const leaves = serve(datapath, { address: VIP, port: 60, protocol: UDP }, [{ address: POD, port: 8080 }]);
  serve(datapath, { address: VIP, port: 61, protocol: UDP }, [{ address: POD, port: 8080 }]);
  serve(datapath, { address: VIP, port: 61, protocol: TCP }, [{ address: POD, port: 8080 }]);
  const kept = [
    () => host.udp(VIP, 61, { connected: true, key: "stays" }),
    () => host.udp(POD, 8080, { connected: true, key: "direct" }),
    () => host.udp(VIP, 61, { key: "unconnected" }),
    () => host.tcp(VIP, 61, { key: "tcp" }),
  ];
  for (const speak of kept) expect(await speak()).toMatchObject({ name: "one" });
  expect(await host.udp(VIP, 60, { connected: true, key: "leaves" })).toMatchObject({ name: "one" });
  replace(leaves, 210, { address: POD, port: 8081 });
  const before = datapath.counters()["socket_released"] ?? 0n;
  expect(release()).toEqual({ sockets: 1, skipped: [] });
  expect(datapath.counters()["socket_released"]).toBe(before + 1n);
  for (const speak of kept) expect(await speak()).toMatchObject({ name: "one" });
});

test("a pod whose socket nobody lets go of may not send to a backend that has gone, and does what else it did", async () => {
  const leaves = serve(datapath, { address: VIP, port: 64, protocol: UDP }, [{ address: POD, port: 8080 }]);
  const tcp = serve(datapath, { address: VIP, port: 64, protocol: TCP }, [{ address: POD, port: 8080 }]);
  const kept = [
    () => pod.udp(VIP, 61, { connected: true, key: "pod-stays" }),
    () => pod.udp(POD, 8080, { connected: true, key: "pod-direct" }),
    () => pod.tcp(VIP, 64, { key: "pod-tcp" }),
  ];
  for (const speak of kept) expect(await speak()).toMatchObject({ name: "one" });
  const speak = (key: string) => pod.udp(VIP, 64, { connected: true, key });
  expect(await speak("pod-leaves")).toMatchObject({ name: "one" });
  for (const [selection, id] of [
    [leaves, 213],
    [tcp, 214],
  ] as const)
    replace(selection, id, { address: POD, port: 8081 });
  for (let datagram = 0; datagram < 2; datagram++) expect(await speak("pod-leaves")).toEqual({ error: "EPERM" });
  for (const speak of kept) expect(await speak()).toMatchObject({ name: "one" });
  expect(await speak("pod-connects-again")).toMatchObject({ name: "two" });
  expect(release()).toEqual({ sockets: 1, skipped: [] });
});

test("a connected socket is let go, however many other sockets there were meanwhile", async () => {
  const leaves = serve(datapath, { address: VIP, port: 63, protocol: UDP }, [{ address: POD, port: 8080 }]);
  expect(await pod.udp(VIP, 63, { connected: true, key: "old" })).toMatchObject({ name: "one" });
  for (let count = 0; count < 4 * SOCKET_FLOWS; count++) await host.udp(VIP, 61);
  replace(leaves, 212, { address: POD, port: 8081 });
  expect(release()).toEqual({ sockets: 1, skipped: [] });
});

test("an unconnected socket reaches a living backend with its next datagram, or is refused when there is none", async () => {
  const selection = serve(datapath, { address: VIP, port: 62, protocol: UDP }, [{ address: POD, port: 8080 }]);
  expect(await pod.udp(VIP, 62, { key: "free" })).toMatchObject({ name: "one" });
  replace(selection, 211, { address: POD, port: 8081 });
  expect(await pod.udp(VIP, 62, { key: "free" })).toMatchObject({ name: "two" });
  datapath.apply({ kind: "flip-selection", id: selection, selection: { offset: 0, count: 0, generation: 3 } });
  datapath.apply({ kind: "clear-backend", id: 211 });
  expect(await pod.udp(VIP, 62, { key: "free" })).toEqual({ error: "ECONNREFUSED" });
});

test("a namespace that has gone is skipped with its reason", () => {
  const { skipped } = datapath.releaseSockets(["/run/netns/nowhere"]);
  expect(skipped).toEqual([{ namespace: "/run/netns/nowhere", reason: expect.stringContaining("ENOENT") }]);
});
