// SPDX-License-Identifier: Apache-2.0
// ICMP errors about translated packets, both ways, and those that we send ourselves, in both families.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Datapath } from "../../agent/shell/kernel/datapath.ts";
import { dualStackWorld } from "./fixtures/dual-stack-world.ts";
import { IPV4, IPV6 } from "./fixtures/families.ts";
import { build, DO_NOT_FRAGMENT, type PacketSpec } from "./packet.ts";
import { DROP, NEXT, type PacketTable, REDIRECT } from "./packet-table.ts";
import { serve, TCP, UDP, type World } from "./world.ts";

interface IcmpError {
  readonly type: number;
  readonly code: number;
  readonly mtu?: number;
}

interface Family {
  readonly router: string;
  /** Of the IP header. */
  readonly bytes: number;
  readonly unreachable: IcmpError;
  readonly tooBig: IcmpError;
  readonly expired: IcmpError;
  readonly malformed: IcmpError;
}

const ofIpv4: Family = {
  router: "10.77.0.254",
  bytes: 20,
  unreachable: { type: 3, code: 3 },
  tooBig: { type: 3, code: 4, mtu: 1400 },
  expired: { type: 11, code: 0 },
  malformed: { type: 12, code: 0 },
};

const ofIpv6: Family = {
  router: "fd77::fe",
  bytes: 40,
  unreachable: { type: 1, code: 4 },
  tooBig: { type: 2, code: 0, mtu: 1400 },
  expired: { type: 3, code: 0 },
  malformed: { type: 4, code: 1 },
};

const families = [
  { ...IPV4, ...ofIpv4, vip: "192.0.2.30" },
  { ...IPV6, ...ofIpv6, vip: "fd00::30" },
];

let world: World;
let datapath: Datapath;
let table: PacketTable;

function furnish(at: Datapath): void {
  for (const { vip, pod, otherPod } of families) {
    for (const protocol of [TCP, UDP]) {
      serve(at, { address: vip, port: 80, protocol }, [{ address: otherPod, port: 8080 }]);
      serve(at, { address: vip, port: 81, protocol }, [{ address: pod, port: 8080 }]);
      serve(at, { address: vip, port: 82, protocol }, []);
    }
  }
}

beforeAll(() => {
  ({ world, datapath, table } = dualStackWorld(furnish));
});

beforeEach(() => table.forget());
afterAll(() => world.cleanup.run());

describe.each(families)("$family", (family) => {
  const { client, node, otherNode, pod, otherPod, otherPods, vip, elsewhere, router, bytes } = family;
  const { unreachable, tooBig, expired, malformed } = family;

  /** An error from `from` about a packet of ours, as the far side saw it. */
  const errorAbout = (from: string, about: PacketSpec, error: IcmpError): PacketSpec => ({
    protocol: "icmp",
    source: from,
    destination: about.source,
    payload: build(about).subarray(14, 14 + bytes + 8),
    error,
  });

  describe.each(["tcp", "udp"] as const)("%s", (protocol) => {
    const remote: PacketSpec = {
      protocol,
      source: client,
      sourcePort: 5000,
      destination: vip,
      destinationPort: 80,
      flags: "S",
    };
    const local: PacketSpec = { ...remote, destinationPort: 81 };

    test.each([
      ["too big, from a router", router, router, tooBig],
      ["time exceeded, from a router", router, router, expired],
      ["a bad header, from a router", router, router, malformed],
      ["unreachable, from the backend itself", otherPod, vip, unreachable],
    ])("an error about what we forwarded reaches the client as one about what it sent: %s", (_, from, seen, error) => {
      expect(table.ingress(remote)).toMatchObject({ from: `${node}:5000`, to: `${otherPod}:8080` });
      const about = { protocol, source: node, sourcePort: 5000, destination: otherPod, destinationPort: 8080 };
      expect(table.ingressDetail(errorAbout(from, about, error))).toMatchObject({
        verdict: REDIRECT,
        from: expect.stringMatching(`^${seen}:`),
        to: expect.stringMatching(`^${client}:`),
        type: error.type,
        code: error.code,
        mtu: error.mtu ?? 0,
        about: { from: `${client}:5000`, to: `${vip}:80`, header: "right" },
        checksums: "right",
        counted: { icmp_error: 1, forwarded: 1 },
      });
    });

    test("a client's error about a forwarded answer reaches the backend as one about what that sent", () => {
      table.ingress(remote);
      const answer = { protocol, source: otherPod, sourcePort: 8080, destination: node, destinationPort: 5000 };
      expect(table.ingress({ ...answer, flags: "SA" }).from).toBe(`${vip}:80`);
      const about = { protocol, source: vip, sourcePort: 80, destination: client, destinationPort: 5000 };
      expect(table.ingressDetail(errorAbout(client, about, unreachable))).toMatchObject({
        verdict: REDIRECT,
        from: expect.stringMatching(`^${node}:`),
        to: expect.stringMatching(`^${otherPod}:`),
        about: { from: `${otherPod}:8080`, to: `${node}:5000`, header: "right" },
        checksums: "right",
      });
    });

    test.each([
      ["the pod", pod, vip],
      ["our stack", node, node],
    ])("an error of %s about what came to a pod here leaves as one about the frontend", (_, from, seen) => {
      table.ingress(local);
      const about = { protocol, source: client, sourcePort: 5000, destination: pod, destinationPort: 8080 };
      expect(table.egressDetail(errorAbout(from, about, unreachable))).toMatchObject({
        verdict: NEXT,
        from: expect.stringMatching(`^${seen}:`),
        to: expect.stringMatching(`^${client}:`),
        about: { from: `${client}:5000`, to: `${vip}:81`, header: "right" },
        checksums: "right",
        counted: { icmp_error: 1, rewritten: 1 },
      });
    });

    test("an error about what a pod sent from our address reaches the pod, options before the ports or not", () => {
      const leaves = { protocol, source: pod, sourcePort: 6000, destination: elsewhere, destinationPort: 53 };
      expect(table.egress({ ...leaves, flags: "S" }).from).toBe(`${node}:6000`);
      const about = { ...leaves, source: node };
      const whole = errorAbout(router, about, tooBig);
      const optioned = build({ ...about, optionWords: 2 }).subarray(14, 14 + bytes + 16);
      for (const error of [whole, { ...whole, payload: optioned }]) {
        expect(table.ingressDetail(error)).toMatchObject({
          verdict: NEXT,
          from: expect.stringMatching(`^${router}:`),
          to: expect.stringMatching(`^${pod}:`),
          mtu: 1400,
          about: { from: `${pod}:6000`, to: `${elsewhere}:53`, header: "right" },
          checksums: "right",
        });
      }
    });

    test("an error about a packet of no flow, or to somebody who did not send it, passes untouched", () => {
      table.ingress(remote);
      const about = { protocol, source: node, sourcePort: 5001, destination: otherPod, destinationPort: 8080 };
      expect(table.ingress(errorAbout(router, about, tooBig))).toMatchObject({ verdict: NEXT, counted: {} });
      const forged = { ...errorAbout(router, { ...about, sourcePort: 5000 }, tooBig), destination: otherNode };
      expect(table.ingress(forged)).toMatchObject({ verdict: NEXT, counted: {} });
    });

    test.each([0, 2])("with its last hop used up is answered by time exceeded (%i words of options)", (words) => {
      const options = words === 0 ? {} : { optionWords: words };
      for (const payload of ["", "odd", "y".repeat(1200)]) {
        table.forget();
        expect(table.ingressDetail({ ...remote, ...options, payload, ttl: 1 })).toMatchObject({
          verdict: REDIRECT,
          from: expect.stringMatching(`^${node}:`),
          to: expect.stringMatching(`^${client}:`),
          type: expired.type,
          code: 0,
          ttl: 64,
          about: { from: `${client}:5000`, to: `${vip}:80`, header: "right" },
          bytes: 14 + bytes + 8 + bytes + words * 4 + (protocol === "tcp" ? 20 : 8),
          checksums: "right",
          counted: { new_service_flow: 1, drop_ttl_exceeded: 1 },
        });
      }
    });

    test("too big for the road to the backend is answered with the size that fits, unless it may be cut", () => {
      const payload = "z".repeat(1300);
      world.node.ip("route", "replace", otherPods, "via", otherNode, "mtu", "lock", "1300");
      try {
        expect(table.ingressDetail({ ...remote, payload, fragment: DO_NOT_FRAGMENT })).toMatchObject({
          verdict: REDIRECT,
          from: expect.stringMatching(`^${node}:`),
          to: expect.stringMatching(`^${client}:`),
          type: tooBig.type,
          code: tooBig.code,
          mtu: 1300,
          about: { from: `${client}:5000`, to: `${vip}:80`, header: "right" },
          checksums: "right",
          counted: { new_service_flow: 1, drop_too_big: 1 },
        });
        // Nobody on the road may cut IPv6.
        expect(table.ingress({ ...remote, payload })).toMatchObject({
          verdict: family.family === "IPv4" ? DROP : REDIRECT,
          counted: { drop_too_big: 1 },
        });
      } finally {
        world.node.ip("route", "replace", otherPods, "via", otherNode);
      }
    });
  });

  test.each([0, 2])("a datagram to nobody comes back as port unreachable (%i words of options)", (words) => {
    const options = words === 0 ? {} : { optionWords: words };
    const ends = { source: client, sourcePort: 5000, destination: vip, destinationPort: 82 };
    for (const payload of ["", "odd", "y".repeat(1200)]) {
      expect(table.ingressDetail({ ...ends, ...options, protocol: "udp", payload, ttl: 3 })).toMatchObject({
        verdict: REDIRECT,
        from: expect.stringMatching(`^${vip}:`),
        to: expect.stringMatching(`^${client}:`),
        type: unreachable.type,
        code: unreachable.code,
        ttl: 64,
        about: { from: `${client}:5000`, to: `${vip}:82`, header: "right" },
        checksums: "right",
        counted: { refused: 1 },
      });
    }
  });

  test("an error about a pod's echo reaches the pod with the identifier that it used", () => {
    const asks = { protocol: "icmp", source: pod, sourcePort: 7, destination: elsewhere, flags: "request" } as const;
    const asked = table.egress(asks);
    expect(asked).toMatchObject({ from: expect.stringMatching(`^${node}:`), checksums: "right" });
    const id = Number(asked.from.slice(asked.from.lastIndexOf(":") + 1));
    const error = errorAbout(router, { ...asks, source: node, sourcePort: id }, expired);
    expect(table.ingressDetail(error)).toMatchObject({
      verdict: NEXT,
      to: expect.stringMatching(`^${pod}:`),
      about: { from: `${pod}:7`, to: `${elsewhere}:0` },
      checksums: "right",
      counted: { icmp_error: 1, rewritten: 1 },
    });
  });

  test("data goes through where a link behind us is narrower than the client's", async () => {
    world.attach(datapath);
    world.node.ip("route", "replace", otherPods, "via", otherNode, "mtu", "lock", "1300");
    const server = world.talker(world.otherNode);
    await server.listen("tcp", otherPod, 8080, "remote");
    const before = datapath.counters()["drop_too_big"] ?? 0n;
    const talker = world.talker(world.client);
    expect(await talker.tcp(vip, 80, { bytes: 300_000 })).toMatchObject({ bytes: 300_000, name: "remote" });
    expect(datapath.counters()["drop_too_big"]).toBeGreaterThan(before);
  });

  test("a closed UDP port of a pod, and a port that nobody serves, are heard of at once", async () => {
    world.attach(datapath);
    const talker = world.talker(world.client);
    expect(await talker.udp(vip, 81, { connected: true })).toEqual({ error: "ECONNREFUSED" });
    expect(await talker.udp(vip, 82, { connected: true })).toEqual({ error: "ECONNREFUSED" });
  });
});
