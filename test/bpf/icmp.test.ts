// SPDX-License-Identifier: Apache-2.0
// ICMP errors about translated packets, both ways, and those that we send ourselves.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Datapath } from "../../agent/shell/kernel/datapath.ts";
import { build, type PacketSpec } from "./packet.ts";
import { DROP, NEXT, PacketTable, REDIRECT } from "./packet-table.ts";
import { CLIENT, NODE, network, OTHER_NODE, OTHER_POD, POD, serve, TCP, UDP, World } from "./world.ts";

const VIP = "192.0.2.30";
const ELSEWHERE = "203.0.113.7";
const ROUTER = "10.77.0.254";
let world: World;
let datapath: Datapath;
let table: PacketTable;

beforeAll(() => {
  world = new World();
  datapath = world.datapath();
  datapath.configure(network);
  for (const protocol of [TCP, UDP]) {
    serve(datapath, { address: VIP, port: 80, protocol }, [{ address: OTHER_POD, port: 8080 }]);
    serve(datapath, { address: VIP, port: 81, protocol }, [{ address: POD, port: 8080 }]);
  }
  table = new PacketTable(world, datapath);
});

beforeEach(() => table.forget());
afterAll(() => world.cleanup.run());

/** An error from `from` about a packet of ours, as the far side saw it. */
const errorAbout = (from: string, about: PacketSpec, error: PacketSpec["error"]): PacketSpec => ({
  protocol: "icmp",
  source: from,
  destination: about.source,
  payload: build(about).subarray(14, 14 + 28),
  ...(error === undefined ? {} : { error }),
});

const unreachable = { type: 3, code: 3 };
const tooBig = { type: 3, code: 4, mtu: 1400 };
const expired = { type: 11, code: 0 };

describe.each(["tcp", "udp"] as const)("%s", (protocol) => {
  const remote: PacketSpec = {
    protocol,
    source: CLIENT,
    sourcePort: 5000,
    destination: VIP,
    destinationPort: 80,
    flags: "S",
  };
  const local: PacketSpec = { ...remote, destinationPort: 81 };

  test.each([
    ["too big, from a router", ROUTER, ROUTER, tooBig],
    ["time exceeded, from a router", ROUTER, ROUTER, expired],
    ["unreachable, from the backend itself", OTHER_POD, VIP, unreachable],
  ])("an error about what we forwarded reaches the client as one about what it sent: %s", (_, from, seen, error) => {
    expect(table.ingress(remote)).toMatchObject({ from: `${NODE}:5000`, to: `${OTHER_POD}:8080` });
    const about = { protocol, source: NODE, sourcePort: 5000, destination: OTHER_POD, destinationPort: 8080 };
    expect(table.ingressDetail(errorAbout(from, about, error))).toMatchObject({
      verdict: REDIRECT,
      from: expect.stringMatching(`^${seen}:`),
      to: expect.stringMatching(`^${CLIENT}:`),
      type: error.type,
      code: error.code,
      mtu: error === tooBig ? 1400 : 0,
      about: { from: `${CLIENT}:5000`, to: `${VIP}:80`, header: "right" },
      checksums: "right",
      counted: { icmp_error: 1, forwarded: 1 },
    });
  });

  test("a client's error about a forwarded answer reaches the backend as one about what that sent", () => {
    table.ingress(remote);
    const about = { protocol, source: VIP, sourcePort: 80, destination: CLIENT, destinationPort: 5000 };
    expect(table.ingressDetail(errorAbout(CLIENT, about, unreachable))).toMatchObject({
      verdict: REDIRECT,
      from: expect.stringMatching(`^${NODE}:`),
      to: expect.stringMatching(`^${OTHER_POD}:`),
      about: { from: `${OTHER_POD}:8080`, to: `${NODE}:5000`, header: "right" },
      checksums: "right",
    });
  });

  test.each([
    ["the pod", POD, VIP],
    ["our stack", NODE, NODE],
  ])("an error of %s about what came to a pod here leaves as one about the frontend", (_, from, seen) => {
    table.ingress(local);
    const about = { protocol, source: CLIENT, sourcePort: 5000, destination: POD, destinationPort: 8080 };
    expect(table.egressDetail(errorAbout(from, about, unreachable))).toMatchObject({
      verdict: NEXT,
      from: expect.stringMatching(`^${seen}:`),
      to: expect.stringMatching(`^${CLIENT}:`),
      about: { from: `${CLIENT}:5000`, to: `${VIP}:81`, header: "right" },
      checksums: "right",
      counted: { icmp_error: 1, rewritten: 1 },
    });
  });

  test("an error about what a pod sent from our address reaches the pod", () => {
    const leaves = { protocol, source: POD, sourcePort: 6000, destination: ELSEWHERE, destinationPort: 53, flags: "S" };
    expect(table.egress(leaves).from).toBe(`${NODE}:6000`);
    const about = { protocol, source: NODE, sourcePort: 6000, destination: ELSEWHERE, destinationPort: 53 };
    expect(table.ingressDetail(errorAbout(ROUTER, about, tooBig))).toMatchObject({
      verdict: NEXT,
      from: expect.stringMatching(`^${ROUTER}:`),
      to: expect.stringMatching(`^${POD}:`),
      mtu: 1400,
      about: { from: `${POD}:6000`, to: `${ELSEWHERE}:53`, header: "right" },
      checksums: "right",
    });
  });

  test("an error about a packet of no flow, or to somebody who did not send it, passes untouched", () => {
    table.ingress(remote);
    const about = { protocol, source: NODE, sourcePort: 5001, destination: OTHER_POD, destinationPort: 8080 };
    expect(table.ingress(errorAbout(ROUTER, about, tooBig))).toMatchObject({ verdict: NEXT, counted: {} });
    const forged = { ...errorAbout(ROUTER, { ...about, sourcePort: 5000 }, tooBig), destination: OTHER_NODE };
    expect(table.ingress(forged)).toMatchObject({ verdict: NEXT, counted: {} });
  });

  test("with its last hop used up is answered by time exceeded", () => {
    expect(table.ingressDetail({ ...remote, ttl: 1 })).toMatchObject({
      verdict: REDIRECT,
      from: expect.stringMatching(`^${NODE}:`),
      to: expect.stringMatching(`^${CLIENT}:`),
      type: 11,
      code: 0,
      ttl: 64,
      about: { from: `${CLIENT}:5000`, to: `${VIP}:80`, header: "right" },
      checksums: "right",
      counted: { new_service_flow: 1, drop_ttl_exceeded: 1 },
    });
  });

  test("too big for the road to the backend is answered with the size that fits, unless it may be cut", () => {
    const payload = "z".repeat(1300);
    world.node.ip("route", "replace", "10.244.2.0/24", "via", OTHER_NODE, "mtu", "lock", "1300");
    try {
      expect(table.ingressDetail({ ...remote, payload, fragment: 0x4000 })).toMatchObject({
        verdict: REDIRECT,
        from: expect.stringMatching(`^${NODE}:`),
        to: expect.stringMatching(`^${CLIENT}:`),
        type: 3,
        code: 4,
        mtu: 1300,
        about: { from: `${CLIENT}:5000`, to: `${VIP}:80`, header: "right" },
        checksums: "right",
        counted: { new_service_flow: 1, drop_too_big: 1 },
      });
      expect(table.ingress({ ...remote, payload })).toMatchObject({ verdict: DROP, counted: { drop_too_big: 1 } });
    } finally {
      world.node.ip("route", "replace", "10.244.2.0/24", "via", OTHER_NODE);
    }
  });
});

test("an error about a pod's echo reaches the pod with the identifier that it used", () => {
  const asked = table.egress({
    protocol: "icmp",
    source: POD,
    sourcePort: 7,
    destination: ELSEWHERE,
    flags: "request",
  });
  const id = Number(asked.from.split(":")[1]);
  const about: PacketSpec = {
    protocol: "icmp",
    source: NODE,
    sourcePort: id,
    destination: ELSEWHERE,
    flags: "request",
  };
  const payload = build(about).subarray(14, 14 + 28);
  const error: PacketSpec = { protocol: "icmp", source: ROUTER, destination: NODE, payload, error: expired };
  expect(table.ingress(error)).toMatchObject({
    verdict: NEXT,
    to: expect.stringMatching(`^${POD}:`),
    checksums: "right",
    counted: { icmp_error: 1, rewritten: 1 },
  });
});

test("data goes through where a link behind us is narrower than the client's", async () => {
  world.attach(datapath);
  world.node.ip("route", "replace", "10.244.2.0/24", "via", OTHER_NODE, "mtu", "lock", "1200");
  const server = world.talker(world.otherNode);
  await server.listen("tcp", OTHER_POD, 8080, "remote");
  const client = world.talker(world.client);
  expect(await client.tcp(VIP, 80, { bytes: 300_000 })).toMatchObject({ bytes: 300_000, name: "remote" });
  expect(datapath.counters()["drop_too_big"]).toBeGreaterThan(0n);
});

test("a closed UDP port of a pod is heard of at once by a connected client", async () => {
  world.attach(datapath);
  const client = world.talker(world.client);
  expect(await client.udp(VIP, 81, { connected: true })).toEqual({ error: "ECONNREFUSED" });
});
