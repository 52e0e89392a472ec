// SPDX-License-Identifier: Apache-2.0
// Socket load balancing by real sockets of a process in a cgroup.
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Datapath } from "../../agent/shell/kernel/datapath.ts";
import type { Talker } from "./talker.ts";
import { NODE, network, OTHER_NODE, POD, serve, TCP, UDP, World } from "./world.ts";

const VIP = "10.96.0.1";
/** With so many that choose between two, one is left out by chance once in 2^63 times. */
const ROUNDS = 64;
let world: World;
let datapath: Datapath;
let host: Talker;
let pod: Talker;

beforeAll(async () => {
  world = new World();
  datapath = world.datapath();
  datapath.configure(network);
  world.attach(datapath, []);
  host = world.talker(world.node, true);
  pod = world.talker(world.pod, true);
  const server = world.talker(world.pod);
  for (const [port, name] of [
    [8080, "one"],
    [8081, "two"],
  ] as const) {
    await server.listen("tcp", "0.0.0.0", port, name);
    await server.listen("udp", "0.0.0.0", port, name);
    await server.listen("tcp", "::1", port, `${name}-v6`);
    await server.listen("udp", "::1", port, `${name}-v6`);
  }
  const one = { address: POD, port: 8080 };
  serve(datapath, { address: VIP, port: 80, protocol: TCP, scope: "cluster" }, [one]);
  serve(datapath, { address: VIP, port: 53, protocol: UDP, scope: "cluster" }, [one]);
  serve(datapath, { address: VIP, port: 81, protocol: TCP }, []);
  serve(datapath, { address: VIP, port: 54, protocol: UDP }, []);
  serve(datapath, { address: "*4", port: 30_080, protocol: TCP }, [one]);
  serve(datapath, { address: "*4", port: 30_053, protocol: UDP }, [one]);
  serve(datapath, { address: "fd00::1", port: 80, protocol: TCP }, [{ address: "::1", port: 8080 }]);
  serve(datapath, { address: "fd00::1", port: 53, protocol: UDP }, [{ address: "::1", port: 8080 }]);
});

afterAll(() => world.cleanup.run());

test("a TCP connection from the host to a ClusterIP reaches the backend, and its peer is the ClusterIP", async () => {
  expect(await host.tcp(VIP, 80)).toMatchObject({ name: "one", peer: `${VIP}:80` });
});

test("a TCP connection from a pod to its own Service comes back to it", async () => {
  expect(await pod.tcp(VIP, 80)).toMatchObject({ name: "one", peer: `${VIP}:80` });
});

test("a connected UDP socket hears the ClusterIP answer", async () => {
  expect(await host.udp(VIP, 53, { connected: true })).toMatchObject({
    name: "one",
    from: `${VIP}:53`,
    peer: `${VIP}:53`,
  });
});

test("an unconnected UDP socket hears the ClusterIP answer", async () => {
  expect(await host.udp(VIP, 53)).toMatchObject({ name: "one", from: `${VIP}:53` });
});

test("a dual-stack socket reaches a ClusterIP in its v4-mapped form, by TCP and by UDP", async () => {
  expect(await host.tcp(`::ffff:${VIP}`, 80)).toMatchObject({ name: "one", peer: `::ffff:${VIP}:80` });
  expect(await host.udp(`::ffff:${VIP}`, 53)).toMatchObject({ name: "one", from: `::ffff:${VIP}:53` });
  expect(await host.udp(`::ffff:${VIP}`, 53, { connected: true })).toMatchObject({
    name: "one",
    peer: `::ffff:${VIP}:53`,
  });
});

test("an IPv6 ClusterIP is served by the same body", async () => {
  expect(await pod.tcp("fd00::1", 80)).toMatchObject({ name: "one-v6", peer: "fd00::1:80" });
  expect(await pod.udp("fd00::1", 53)).toMatchObject({ name: "one-v6", from: "fd00::1:53" });
});

test("NodePort answers on the address of every node, also from inside the cluster", async () => {
  for (const address of [NODE, OTHER_NODE]) {
    expect(await pod.tcp(address, 30_080)).toMatchObject({ name: "one", peer: `${address}:30080` });
    expect(await host.udp(address, 30_053)).toMatchObject({ name: "one", from: `${address}:30053` });
  }
});

test("a Service without endpoints refuses at once", async () => {
  expect(await host.tcp(VIP, 81)).toEqual({ error: "ECONNREFUSED" });
  expect(await host.udp(VIP, 54)).toEqual({ error: "ECONNREFUSED" });
  expect(await host.udp(VIP, 54, { connected: true })).toEqual({ error: "ECONNREFUSED" });
});

test("no endpoint refuses sockets, also where packets from outside would be dropped", async () => {
  for (const protocol of [TCP, UDP]) serve(datapath, { address: VIP, port: 82, protocol, noEndpoint: "drop" }, []);
  expect(await host.tcp(VIP, 82)).toEqual({ error: "ECONNREFUSED" });
  expect(await host.udp(VIP, 82)).toEqual({ error: "ECONNREFUSED" });
  expect(await host.udp(VIP, 82, { connected: true })).toEqual({ error: "ECONNREFUSED" });
});

test("sockets are given the cluster's selection, whatever packets from outside are given", async () => {
  const external = [{ address: POD, port: 9 }];
  serve(datapath, { address: VIP, port: 83, protocol: TCP, external }, [{ address: POD, port: 8080 }]);
  expect(await pod.tcp(VIP, 83)).toMatchObject({ name: "one" });
});

test("session affinity keeps all sockets of a pod or of the host on one backend, by TCP and by UDP", async () => {
  const backends = [8080, 8081].map((port) => ({ address: POD, port }));
  serve(datapath, { address: VIP, port: 84, protocol: TCP, affinitySeconds: 3600 }, backends);
  serve(datapath, { address: VIP, port: 84, protocol: UDP, affinitySeconds: 3600 }, backends);
  serve(datapath, { address: VIP, port: 85, protocol: UDP }, backends);
  const names = async (run: (round: number) => Promise<{ name?: string }>) => {
    const seen = new Set<string | undefined>();
    for (let round = 0; round < ROUNDS; round++) seen.add((await run(round)).name);
    return seen.size;
  };
  for (const talker of [host, pod]) {
    expect(await names(() => talker.tcp(VIP, 84))).toBe(1);
    expect(await names((round) => talker.udp(VIP, 84, { connected: round % 2 === 0 }))).toBe(1);
  }
  expect(await names(() => host.udp(VIP, 85))).toBe(2);
});

test("an unconnected UDP socket keeps its backend while that exists, and moves on when it is gone", async () => {
  const selection = serve(datapath, { address: VIP, port: 55, protocol: UDP }, [{ address: POD, port: 8080 }]);
  expect(await host.udp(VIP, 55, { key: "kept" })).toMatchObject({ name: "one" });
  const before = datapath.read();
  const extent = before.extents.get(before.selections.get(selection)?.offset ?? -1) ?? [];
  const two = 250;
  datapath.apply({ kind: "write-backend", id: two, backend: { address: POD, port: 8081, protocol: UDP } });
  datapath.apply({ kind: "write-extent", offset: 1000, backendIds: [two] });
  datapath.apply({ kind: "flip-selection", id: selection, selection: { offset: 1000, count: 1, generation: 2 } });
  expect(await host.udp(VIP, 55, { key: "kept" })).toMatchObject({ name: "one" });
  expect(await host.udp(VIP, 55)).toMatchObject({ name: "two" });
  for (const id of extent) datapath.apply({ kind: "mark-backend", id, gone: true });
  expect(await host.udp(VIP, 55, { key: "kept" })).toMatchObject({ name: "two", from: `${VIP}:55` });
});

test("with socket load balancing off, sockets go where they were told", async () => {
  datapath.configure({ ...network, socketLb: false });
  expect((await host.tcp(VIP, 81, { unanswered: true })).error).not.toBe("ECONNREFUSED");
  datapath.configure(network);
  expect(await host.tcp(VIP, 80)).toMatchObject({ name: "one" });
});

test("what sockets do is counted", () => {
  const counters = datapath.counters();
  expect(counters["socket_translated"]).toBeGreaterThan(10n);
  expect(counters["socket_refused"]).toBeGreaterThanOrEqual(3n);
  expect(counters["socket_reversed"]).toBeGreaterThan(10n);
});
