// SPDX-License-Identifier: Apache-2.0
// Pods whose sockets are not translated: their packets are served at the device that leads to the pod.
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Datapath } from "../../agent/shell/kernel/datapath.ts";
import { makeCgroup } from "../support/netns.ts";
import type { Talker } from "./talker.ts";
import { NODE, network, OTHER_NODE, OTHER_POD, POD, serve, TCP, UDP, World } from "./world.ts";

const VIP = "10.96.0.1";
let world: World;
let datapath: Datapath;
let podCgroup: string;
let pod: Talker;

beforeAll(async () => {
  world = new World();
  datapath = world.datapath();
  datapath.configure(network);
  podCgroup = makeCgroup(world.cleanup, world.cgroup);
  // Where its containers are.
  const container = makeCgroup(world.cleanup, podCgroup);
  world.attach(datapath, ["eth0"], ["pod0"]);
  datapath.bypassSockets([podCgroup]);
  pod = world.talker(world.pod, container);
  for (const [netns, name, address] of [
    [world.pod, "itself", POD],
    [world.otherNode, "remote", OTHER_POD],
    [world.node, "host", NODE],
  ] as const) {
    const server = world.talker(netns);
    await server.listen("tcp", address, 8080, name);
    await server.listen("udp", address, 8080, name);
  }
  for (const protocol of [TCP, UDP]) {
    const scope = "cluster";
    serve(datapath, { address: VIP, port: 80, protocol, scope }, [{ address: OTHER_POD, port: 8080 }]);
    serve(datapath, { address: VIP, port: 81, protocol, scope }, [{ address: POD, port: 8080 }]);
    serve(datapath, { address: VIP, port: 82, protocol, scope }, [{ address: NODE, port: 8080 }]);
    serve(datapath, { address: VIP, port: 83, protocol, noEndpoint: "drop" }, []);
    serve(datapath, { address: "*4", port: 30_080, protocol, external: [] }, [{ address: OTHER_POD, port: 8080 }]);
    serve(datapath, { address: VIP, port: 84, protocol, ranges: [`${POD}/32`], affinitySeconds: 60 }, [
      { address: OTHER_POD, port: 8080 },
    ]);
    serve(datapath, { address: VIP, port: 86, protocol, ranges: ["203.0.113.0/24"] }, [
      { address: OTHER_POD, port: 8080 },
    ]);
  }
});

afterAll(() => world.cleanup.run());

const each = ["tcp", "udp"] as const;

test.each(each)("%s to a backend of another node shows it the pod's own address", async (protocol) => {
  const before = datapath.counters();
  const reply = await pod[protocol](VIP, 80, { localPort: 20_001 });
  expect(reply).toMatchObject({ name: "remote", sees: `${POD}:20001` });
  if (protocol === "udp") expect(reply.from).toBe(`${VIP}:80`);
  const after = datapath.counters();
  expect(after["socket_translated"]).toBe(before["socket_translated"]);
  expect(after["new_service_flow"]).toBe((before["new_service_flow"] ?? 0n) + 1n);
});

test.each(each)("%s of a pod to itself comes from the node, as it would not hear itself", async (protocol) => {
  const reply = await pod[protocol](VIP, 81, { localPort: 20_002 });
  expect(reply).toMatchObject({ name: "itself", sees: `${NODE}:20002` });
  if (protocol === "udp") expect(reply.from).toBe(`${VIP}:81`);
});

test.each(each)("%s to a backend in the node's own network is answered from the Service", async (protocol) => {
  const reply = await pod[protocol](VIP, 82, { localPort: 20_003 });
  expect(reply).toMatchObject({ name: "host", sees: `${POD}:20003` });
  if (protocol === "udp") expect(reply.from).toBe(`${VIP}:82`);
});

test.each(each)("%s to a NodePort is given the cluster's selection, on the address of any node", async (protocol) => {
  for (const address of [NODE, OTHER_NODE]) {
    expect(await pod[protocol](address, 30_080)).toMatchObject({ name: "remote" });
  }
});

test.each(each)("%s of a pod that no source range admits is dropped", async (protocol) => {
  const before = datapath.counters()["drop_source_range"] ?? 0n;
  expect(await pod[protocol](VIP, 86, { unanswered: true })).toEqual({ error: "TIMEOUT" });
  expect(datapath.counters()["drop_source_range"]).toBeGreaterThan(before);
});

test.each(each)("%s of a pod in a source range is served, and keeps affinity", async (protocol) => {
  expect(await pod[protocol](VIP, 84)).toMatchObject({ name: "remote" });
  const before = datapath.counters()["affinity_kept"] ?? 0n;
  expect(await pod[protocol](VIP, 84)).toMatchObject({ name: "remote" });
  expect(datapath.counters()["affinity_kept"]).toBe(before + 1n);
});

test("no endpoint refuses at once, as it refuses sockets", async () => {
  expect(await pod.tcp(VIP, 83)).toEqual({ error: "ECONNREFUSED" });
  expect(await pod.udp(VIP, 83, { connected: true })).toEqual({ error: "ECONNREFUSED" });
});

test("much data passes both ways", async () => {
  expect(await pod.tcp(VIP, 80, { bytes: 1_000_000 })).toMatchObject({ bytes: 1_000_000, name: "remote" });
  expect(await pod.tcp(VIP, 81, { bytes: 1_000_000 })).toMatchObject({ bytes: 1_000_000, name: "itself" });
});

test("a connected UDP socket moves to a living backend with its next datagram", async () => {
  const selection = serve(datapath, { address: VIP, port: 85, protocol: UDP }, [{ address: NODE, port: 8080 }]);
  const speak = () => pod.udp(VIP, 85, { connected: true, key: "moves" });
  expect(await speak()).toMatchObject({ name: "host" });
  const state = datapath.read();
  const [old = 0] = state.extents.get(state.selections.get(selection)?.offset ?? -1) ?? [];
  datapath.apply({ kind: "write-backend", id: 250, backend: { address: OTHER_POD, port: 8080, protocol: UDP } });
  datapath.apply({ kind: "write-extent", offset: 950, backendIds: [250] });
  datapath.apply({ kind: "flip-selection", id: selection, selection: { offset: 950, count: 1, generation: 2 } });
  datapath.apply({ kind: "mark-backend", id: old, gone: true });
  expect(await speak()).toMatchObject({ name: "remote", from: `${VIP}:85` });
});

test("other pods' sockets are translated, and this one's again when it is taken off the list", async () => {
  const before = datapath.counters()["socket_translated"] ?? 0n;
  expect(await world.talker(world.node, true).tcp(VIP, 80)).toMatchObject({ name: "remote" });
  expect(datapath.counters()["socket_translated"]).toBe(before + 1n);
  expect(datapath.bypassSockets([podCgroup])).toBe(0);
  expect(datapath.bypassSockets([])).toBe(2);
  expect(await pod.tcp(VIP, 80)).toMatchObject({ name: "remote" });
  expect(datapath.counters()["socket_translated"]).toBe(before + 2n);
  expect(world.attach(datapath).kept).toContain("node_ingress@eth0");
});
