// SPDX-License-Identifier: Apache-2.0
// What sockets may reach and take: source ranges, loopback, NodePorts of other nodes, ports that NodePorts have.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Datapath } from "../../agent/shell/kernel/datapath.ts";
import type { Talker } from "./talker.ts";
import { NODE, network, OTHER_NODE, POD, serve, TCP, testSizes, UDP, World } from "./world.ts";

const VIP = "192.0.2.30";
/** So few that a pod pushes them all out with sockets of its own. */
const SOCKET_FLOWS = 64;
const unanswered = { unanswered: true };
let world: World;
let datapath: Datapath;
let host: Talker;
let pod: Talker;

beforeAll(async () => {
  world = new World();
  datapath = world.datapath({ ...testSizes, socketFlows: SOCKET_FLOWS });
  datapath.configure(network);
  world.attach(datapath, []);
  host = world.talker(world.node, true);
  pod = world.talker(world.pod, true);
  const server = world.talker(world.pod);
  const remote = world.talker(world.otherNode);
  for (const protocol of ["tcp", "udp"] as const) {
    await server.listen(protocol, "0.0.0.0", 8080, "pod");
    await remote.listen(protocol, OTHER_NODE, 30_091, "other node");
    await remote.listen(protocol, OTHER_NODE, 30_092, "other node");
  }
  const here = [{ address: POD, port: 8080 }];
  for (const protocol of [TCP, UDP]) {
    serve(datapath, { address: VIP, port: 80, protocol, ranges: [`${POD}/32`] }, here);
    serve(datapath, { address: VIP, port: 81, protocol, ranges: ["203.0.113.0/24"] }, here);
    serve(datapath, { address: VIP, port: 82, protocol }, here);
    serve(datapath, { address: "127.0.0.1", port: 8090, protocol }, here);
    serve(datapath, { address: "*4", port: 30_091, protocol, external: [], noEndpoint: "drop" }, here);
    serve(datapath, { address: "*4", port: 30_092, protocol }, here);
    serve(datapath, { address: "*6", port: 30_093, protocol }, []);
  }
});

afterAll(() => world.cleanup.run());

describe.each(["tcp", "udp"] as const)("%s", (protocol) => {
  test("of a pod in a source range is served, of one in none is dropped and counted; the node itself always is", async () => {
    const dropped = () => datapath.counters()["drop_source_range"] ?? 0n;
    expect(await pod[protocol](VIP, 80)).toMatchObject({ name: "pod" });
    expect(await host[protocol](VIP, 81)).toMatchObject({ name: "pod" });
    const before = dropped();
    expect((await pod[protocol](VIP, 81, unanswered)).error).toBeDefined();
    expect(dropped()).toBeGreaterThan(before);
    if (protocol === "udp") expect((await pod.udp(VIP, 81, { connected: true, ...unanswered })).error).toBeDefined();
  });

  test("of the node to a host port on its loopback is served; a pod's loopback is its own", async () => {
    expect(await host[protocol]("127.0.0.1", 8090)).toMatchObject({ name: "pod" });
    const connected = { connected: true };
    expect(await pod[protocol]("127.0.0.1", 8090, connected)).toEqual({ error: "ECONNREFUSED" });
    expect(await pod[protocol]("::ffff:127.0.0.1", 8090, connected)).toEqual({ error: "ECONNREFUSED" });
  });

  test("to a NodePort on loopback is not served, of the node as little as of a pod", async () => {
    for (const talker of [host, pod])
      expect(await talker[protocol]("127.0.0.1", 30_092, { connected: true })).toEqual({ error: "ECONNREFUSED" });
  });

  test("to a NodePort of policy Local goes to the node that was asked, to one of policy Cluster at once to a backend", async () => {
    for (const talker of [host, pod]) {
      expect(await talker[protocol](OTHER_NODE, 30_091)).toMatchObject({ name: "other node" });
      expect(await talker[protocol](NODE, 30_091)).toMatchObject({ name: "pod" });
      expect(await talker[protocol](OTHER_NODE, 30_092)).toMatchObject({ name: "pod" });
    }
  });

  test("cannot take a NodePort's port on the node, where that answers; others can", async () => {
    const refused = () => datapath.counters()["bind_refused"] ?? 0n;
    const before = refused();
    for (const [address, port] of [
      ["0.0.0.0", 30_092],
      [NODE, 30_092],
      ["::", 30_092],
      ["::", 30_093],
    ] as const)
      await expect(host.listen(protocol, address, port, "thief")).rejects.toThrow(/EPERM/);
    expect(refused()).toBe(before + 4n);
    await host.listen(protocol, "127.0.0.1", 30_092, "on loopback");
    await host.listen(protocol, "0.0.0.0", 30_777, "a port nobody has");
    await pod.listen(protocol, "0.0.0.0", 30_092, "in a pod");
    expect(refused()).toBe(before + 4n);
  });
});

test("a pod in no source range stays out, however many other sockets it opens to have that forgotten", async () => {
  const prisoner = { connected: true, key: "prisoner" };
  const free = { key: "free" };
  for (const socket of [prisoner, free])
    expect((await pod.udp(VIP, 81, { ...socket, ...unanswered })).error).toBeDefined();
  for (let count = 0; count < 4 * SOCKET_FLOWS; count++) expect(await pod.udp(VIP, 80)).toMatchObject({ name: "pod" });
  for (const socket of [prisoner, free])
    expect((await pod.udp(VIP, 81, { ...socket, ...unanswered })).error).toBeDefined();
});

test("a pod's socket that no source range admits reaches what it asks for by other addresses", async () => {
  const socket = { key: "both" };
  expect((await pod.udp(VIP, 81, { ...socket, ...unanswered })).error).toBeDefined();
  expect(await pod.udp(OTHER_NODE, 30_091, socket)).toMatchObject({ name: "other node" });
  for (const port of [80, 82]) {
    expect(await pod.udp(VIP, port, socket)).toMatchObject({ name: "pod" });
    expect((await pod.udp(VIP, 81, { ...socket, ...unanswered })).error).toBeDefined();
  }
});

test("with the protection off a NodePort's port can be taken", async () => {
  datapath.configure({ ...network, bindProtection: false });
  await host.listen("tcp", "0.0.0.0", 30_091, "taken");
});
