// SPDX-License-Identifier: Apache-2.0
// NodePorts at some of the nodes' addresses: served there by every road, and left alone at the others.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Datapath } from "../../agent/shell/kernel/datapath.ts";
import { makeCgroup } from "../support/netns.ts";
import type { Talker } from "./talker.ts";
import { CLIENT, NODE, network, OTHER_NODE, OTHER_POD, POD, serve, TCP, testSizes, UDP, World } from "./world.ts";

/** Addresses of the nodes in no network where NodePorts are served. */
const ASIDE = "10.77.8.2";
const OTHER_ASIDE = "10.77.8.3";
const restricted = {
  ...network,
  nodeAddresses: [NODE, ASIDE],
  clusterNodeAddresses: [NODE, ASIDE, OTHER_NODE, OTHER_ASIDE],
  nodePortCidrs: ["10.77.0.0/24", "192.0.2.0/24"],
};
const here = [{ address: POD, port: 8080 }];
const elsewhere = [{ address: OTHER_POD, port: 8080 }];
const connected = { connected: true };
const refused = { error: "ECONNREFUSED" };
let world: World;
let datapath: Datapath;
/** A client outside, the host, a pod that is served at its sockets, and one in its place that is served at its device. */
let client: Talker;
let host: Talker;
let pod: Talker;
let podByPacket: Talker;

beforeAll(async () => {
  world = new World();
  world.makeWire();
  world.meetNeighbours();
  world.node.ip("address", "add", `${ASIDE}/24`, "dev", "eth0");
  world.otherNode.ip("address", "add", `${OTHER_ASIDE}/24`, "dev", "eth0");
  datapath = world.datapath(testSizes, { acceleration: "native" });
  datapath.configure(restricted);
  world.attach(datapath, ["eth0"], ["pod0"]);
  const bypassed = makeCgroup(world.cleanup, world.cgroup);
  datapath.bypassSockets([bypassed]);
  client = world.talker(world.client);
  host = world.talker(world.node, true);
  pod = world.talker(world.pod, true);
  podByPacket = world.talker(world.pod, bypassed);
  const servers = [
    [world.talker(world.pod), POD, "here"],
    [world.talker(world.otherNode), OTHER_POD, "elsewhere"],
    [world.talker(world.node), ASIDE, "host"],
  ] as const;
  for (const protocol of ["tcp", "udp"] as const)
    for (const [server, address, name] of servers) await server.listen(protocol, address, 8080, name);
  for (const protocol of [TCP, UDP]) {
    serve(datapath, { address: "*4", port: 30_001, protocol }, here);
    serve(datapath, { address: "*4", port: 30_002, protocol }, elsewhere);
    serve(datapath, { address: "*4", port: 30_003, protocol }, [{ address: ASIDE, port: 8080 }]);
    serve(datapath, { address: ASIDE, port: 80, protocol }, here);
  }
});

afterAll(() => world.cleanup.run());

describe.each(["tcp", "udp"] as const)("%s", (protocol) => {
  test.each([
    [30_001, "here"],
    [30_002, "elsewhere"],
  ] as const)("a client outside is served NodePort %i inside the networks alone", async (port, name) => {
    expect(await client[protocol](NODE, port)).toMatchObject({ name });
    expect(await client[protocol](ASIDE, port, connected)).toEqual(refused);
  });

  test("sockets of the host and of pods are served inside the networks alone, at any node", async () => {
    for (const talker of [host, pod]) {
      for (const address of [NODE, OTHER_NODE])
        expect(await talker[protocol](address, 30_001)).toMatchObject({ name: "here" });
      for (const address of [ASIDE, OTHER_ASIDE])
        expect(await talker[protocol](address, 30_001, connected)).toEqual(refused);
    }
  });

  test("a pod that is served at its device is, inside the networks alone, at any node", async () => {
    for (const address of [NODE, OTHER_NODE])
      expect(await podByPacket[protocol](address, 30_002)).toMatchObject({ name: "elsewhere" });
    for (const address of [ASIDE, OTHER_ASIDE])
      expect(await podByPacket[protocol](address, 30_002, connected)).toEqual(refused);
  });

  test("an address outside them stays the node's own in all else: a backend there sees its client, and other frontends answer", async () => {
    const reply = await client[protocol](NODE, 30_003, { localPort: 20_003 });
    expect(reply).toMatchObject({ name: "host", sees: `${CLIENT}:20003` });
    expect(await client[protocol](ASIDE, 80)).toMatchObject({ name: "here" });
  });

  test("a NodePort's port is free for programs of the node at an address outside them, and there alone", async () => {
    for (const address of [NODE, "0.0.0.0"])
      await expect(host.listen(protocol, address, 30_002, "thief")).rejects.toThrow(/EPERM/);
    await host.listen(protocol, ASIDE, 30_002, "own");
    expect(await client[protocol](ASIDE, 30_002)).toMatchObject({ name: "own" });
    expect(await client[protocol](NODE, 30_002)).toMatchObject({ name: "elsewhere" });
  });
});

test("XDP took part in what was served to the client outside", () => {
  expect(datapath.counters()["xdp_forwarded"]).toBeGreaterThan(0n);
});

test("without networks NodePorts are served at every address of a node again, by one write for each", async () => {
  expect(datapath.configure({ ...restricted, nodePortCidrs: [] })).toBe(2);
  expect(await client.tcp(ASIDE, 30_001)).toMatchObject({ name: "here" });
  expect(await pod.tcp(OTHER_ASIDE, 30_001)).toMatchObject({ name: "here" });
});
