// SPDX-License-Identifier: Apache-2.0
// One table of forwarded packets for both roads through a node: the tc program alone, and XDP with tc behind it.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Datapath } from "../../agent/shell/kernel/datapath.ts";
import { programTestRun } from "../../agent/shell/kernel/syscall.ts";
import { IPV4, IPV6 } from "./fixtures/families.ts";
import { build, type PacketSpec } from "./packet.ts";
import { DROP, NEXT, type Outcome, PacketTable, REDIRECT, type Road } from "./packet-table.ts";
import { CLIENT, dualNetwork, OTHER_POD, OTHER_POD6, serve, TCP, testSizes, UDP, World } from "./world.ts";

const XDP_PASS = 2;
const HOOK_AT = 37;
const PORT_AT = 34;
const SEEN_AT = 44;
const GRANULE_AT = 50;
const UDP_CHECKSUM_AT = 40;
/** The programs' clock counts from the machine's start: it has to have been up for longer than this. */
const EARLIER_SECONDS = 10;

const families = [
  {
    ...{ ...IPV4, other: "10.77.0.9", remote: OTHER_POD },
    ...{ remotes: ["10.244.2.6", "10.244.2.7"], vip: "192.0.2.10", unrouted: "198.51.100.1" },
    ...{ range: "203.0.113.0/24", inRange: "203.0.113.7" },
  },
  {
    ...{ ...IPV6, other: "fd77::9", remote: OTHER_POD6 },
    ...{ remotes: ["fd44:2::6", "fd44:2::7"], vip: "fd00::10", unrouted: "2001:db8:9::1" },
    ...{ range: "fd99::/64", inRange: "fd99::7" },
  },
] as const;

describe.each(["tc", "xdp"] as const)("by %s", (road: Road) => {
  let world: World;
  let datapath: Datapath;
  let table: PacketTable;
  const forwarded = road === "xdp" ? "xdp_forwarded" : "forwarded";

  beforeAll(() => {
    world = new World();
    world.addIpv6();
    world.makeWire();
    world.meetNeighbours();
    datapath = world.datapath(testSizes, { acceleration: road === "xdp" ? "native" : "disabled" });
    datapath.configure(dualNetwork);
    world.attach(datapath);
    for (const protocol of [TCP, UDP]) {
      for (const { wildcard, pod, remote, remotes, vip, unrouted, range } of families) {
        const elsewhere = [{ address: remote, port: 8080 }];
        const several = [...elsewhere, ...remotes.map((address) => ({ address, port: 8080 }))];
        serve(datapath, { address: wildcard, port: 30_001, protocol }, [{ address: pod, port: 8080 }]);
        serve(datapath, { address: wildcard, port: 30_002, protocol }, elsewhere);
        serve(datapath, { address: vip, port: 80, protocol }, elsewhere);
        serve(datapath, { address: vip, port: 81, protocol }, []);
        serve(datapath, { address: vip, port: 82, protocol, scope: "cluster" }, elsewhere);
        serve(datapath, { address: vip, port: 83, protocol }, [{ address: unrouted, port: 8080 }]);
        serve(datapath, { address: vip, port: 84, protocol, ranges: [range] }, elsewhere);
        serve(datapath, { address: vip, port: 85, protocol, affinitySeconds: 60 }, several);
        serve(datapath, { address: vip, port: 86, protocol }, several);
      }
    }
    table = new PacketTable(world, datapath, "eth0", testSizes, road);
  });

  beforeEach(() => table.forget());
  afterAll(() => world.cleanup.run());

  const ingress = (spec: PacketSpec): Outcome => table.ingress(spec);
  const entries = () => [...table.flows.walk()].length;

  const cases = families.flatMap((family) => (["tcp", "udp"] as const).map((protocol) => ({ ...family, protocol })));

  describe.each(cases)("$protocol in $family", ({ protocol, client, other, node, pod, remote, vip, inRange }) => {
    const end = (address: string, port: number) => `${address}:${port}`;
    const toVip = (port: number, more: Partial<PacketSpec> = {}): PacketSpec => ({
      ...{ source: client, sourcePort: 5000, destination: vip, destinationPort: port, protocol, flags: "S" },
      ...more,
    });
    const answer = (more: Partial<PacketSpec> = {}): PacketSpec => ({
      ...{ protocol, source: remote, sourcePort: 8080, destination: node, destinationPort: 5000, flags: "SA" },
      ...more,
    });

    test.each([
      ["a LoadBalancer address", vip, 80],
      ["a NodePort", node, 30_002],
    ])("to %s leaves from our address with one hop less, and the answer goes back to the client", (_, to, port) => {
      expect(ingress(toVip(port, { destination: to }))).toEqual({
        ...{ verdict: REDIRECT, from: end(node, 5000), to: end(remote, 8080), ttl: 63, payload: "payload" },
        ...{ checksums: "right", counted: { new_service_flow: 1, [forwarded]: 1 } },
      });
      expect(ingress(answer())).toEqual({
        ...{ verdict: REDIRECT, from: end(to, port), to: end(client, 5000), ttl: 63, payload: "payload" },
        ...{ checksums: "right", counted: { [forwarded]: 1 } },
      });
      expect(ingress(toVip(port, { destination: to, flags: "A" }))).toMatchObject({
        ...{ from: end(node, 5000), to: end(remote, 8080), counted: { [forwarded]: 1 } },
      });
    });

    test("begins with the entry of its answers, and the second packet enters the other", () => {
      ingress(toVip(80));
      expect(entries()).toBe(1);
      ingress(answer());
      expect(entries()).toBe(2);
    });

    test("that is sent again before any answer keeps its backend and port, and is one flow", () => {
      for (let sourcePort = 5000; sourcePort < 5020; sourcePort++) {
        table.forget();
        const first = ingress(toVip(86, { sourcePort }));
        const again = ingress(toVip(86, { sourcePort }));
        expect([again.from, again.to]).toEqual([first.from, first.to]);
        expect(again.counted.new_service_flow).toBeUndefined();
        expect(entries()).toBe(2);
      }
    });

    test("spreads over all backends by its ports", () => {
      const reached = new Set<string>();
      for (let sourcePort = 5000; sourcePort < 5050; sourcePort++) reached.add(ingress(toVip(86, { sourcePort })).to);
      expect(reached.size).toBe(3);
    });

    test("of two clients with one port gets two ports of ours, entered both ways at once where it was drawn", () => {
      const [one, two] = [client, other].map((source) => ingress(toVip(80, { source })));
      expect(one?.from).toBe(end(node, 5000));
      expect(two?.from.startsWith(end(node, 0).slice(0, -1))).toBe(true);
      expect(two?.from).not.toBe(one?.from);
      expect(entries()).toBe(3);
    });

    test("comes back with its next packet when the entry of its own direction was lost", () => {
      ingress(toVip(80));
      ingress(answer());
      const there = [...table.flows.walk()].filter(
        ([key]) => key.readUInt8(HOOK_AT) === 0 && key.readUInt16BE(PORT_AT) === 80,
      );
      expect(there.length).toBe(1);
      for (const [key] of there) table.flows.delete(key);
      expect(ingress(toVip(80, { flags: "A" }))).toMatchObject({ from: end(node, 5000), to: end(remote, 8080) });
      expect(entries()).toBe(2);
    });

    test("in use is seen, by the entries of both directions, with the first packet of each granule", () => {
      ingress(toVip(80));
      ingress(answer());
      const seen = () => [...table.flows.walk()].map(([, value]) => value.readUInt32LE(SEEN_AT));
      const [begun = 0] = seen();
      for (const [key, value] of [...table.flows.walk()]) {
        value.writeUInt32LE(begun - EARLIER_SECONDS, SEEN_AT);
        value.writeUInt16LE(value.readUInt16LE(GRANULE_AT) ^ 0x8000, GRANULE_AT);
        table.flows.set(key, value);
      }
      expect(seen()).toEqual([begun - EARLIER_SECONDS, begun - EARLIER_SECONDS]);
      ingress(toVip(80, { flags: "A" }));
      for (const second of seen()) expect(second).toBeGreaterThanOrEqual(begun);
    });

    test("to a backend here climbs the stack with a new destination", () => {
      expect(ingress(toVip(30_001, { destination: node }))).toMatchObject({
        ...{ verdict: NEXT, from: end(client, 5000), to: end(pod, 8080), ttl: 64, checksums: "right" },
        counted: { new_service_flow: 1, rewritten: 1 },
      });
    });

    test("that nobody serves is refused", () => {
      expect(ingress(toVip(81))).toMatchObject({ verdict: REDIRECT, counted: { refused: 1 } });
      expect(entries()).toBe(0);
    });

    test("to a frontend of the cluster passes untouched", () => {
      expect(ingress(toVip(82))).toMatchObject({ verdict: NEXT, to: end(vip, 82), counted: {} });
    });

    test("to a backend that no route leads to is dropped", () => {
      expect(ingress(toVip(83))).toMatchObject({ verdict: DROP, counted: { drop_no_route: 1 } });
    });

    test("from outside the source ranges is dropped, once", () => {
      expect(ingress(toVip(84))).toMatchObject({ verdict: DROP, counted: { drop_source_range: 1 } });
      expect(ingress(toVip(84, { source: inRange }))).toMatchObject({ counted: { new_service_flow: 1 } });
    });

    test("with session affinity reaches one backend from all ports", () => {
      const reached = new Set([6000, 6001, 6002, 6003].map((sourcePort) => ingress(toVip(85, { sourcePort })).to));
      expect(reached.size).toBe(1);
    });

    test("whose last hop is used up is answered, and its flow goes on", () => {
      ingress(toVip(80));
      ingress(answer());
      expect(ingress(toVip(80, { ttl: 1, flags: "A" }))).toMatchObject({
        ...{ verdict: REDIRECT, counted: { drop_ttl_exceeded: 1 } },
      });
      expect(ingress(toVip(80, { flags: "A" }))).toMatchObject({ counted: { [forwarded]: 1 } });
    });

    test("behind options of IP is forwarded all the same", () => {
      expect(ingress(toVip(80, { optionWords: 2 }))).toMatchObject({
        ...{ verdict: REDIRECT, to: end(remote, 8080), checksums: "right", counted: { forwarded: 1 } },
      });
    });
  });

  const plain = { source: CLIENT, destination: "192.0.2.10", destinationPort: 80 };

  test("a UDP checksum of zero stays zero, and one that would become zero gets its other form", () => {
    const spec = { ...plain, sourcePort: 5001, protocol: "udp" } as const;
    expect(ingress({ ...spec, noChecksum: true })).toMatchObject({ checksums: "absent" });
    const checksumWith = (payload: Buffer): number =>
      table.run("node_ingress", build({ ...spec, payload })).packet.readUInt16BE(UDP_CHECKSUM_AT);
    // What the checksum is without it makes the sum full.
    const payload = Buffer.alloc(2);
    payload.writeUInt16BE(checksumWith(payload));
    expect(checksumWith(payload)).toBe(0xffff);
  });

  test("a connection that has closed may begin anew", () => {
    const packet = { ...plain, sourcePort: 5002, protocol: "tcp" } as const;
    expect(ingress({ ...packet, flags: "S" }).counted).toMatchObject({ new_service_flow: 1 });
    ingress({ ...packet, flags: "A" });
    expect(ingress({ ...packet, flags: "FA" }).counted).toEqual({ [forwarded]: 1 });
    expect(ingress({ ...packet, flags: "S" }).counted).toMatchObject({ new_service_flow: 1 });
  });

  test("a frame with a VLAN's tag in it passes as it came", () => {
    const frame = build({ ...plain, sourcePort: 5004, protocol: "udp" });
    const tagged = Buffer.concat([frame.subarray(0, 12), Buffer.from("810000c8", "hex"), frame.subarray(12)]);
    const { verdict, counted, packet } = table.run("node_ingress", tagged);
    expect({ verdict, counted }).toEqual({ verdict: NEXT, counted: {} });
    expect(packet).toEqual(tagged);
  });

  if (road === "xdp")
    test("a frame for another station, or by a device that is not listed, is passed on", () => {
      const frame = build({ ...plain, sourcePort: 5003, protocol: "tcp", flags: "S" });
      const [link] = JSON.parse(world.node.ip("-j", "link", "show", "eth0")) as { ifindex: number }[];
      const run = (device: number): number => {
        const context = Buffer.alloc(24);
        context.writeUInt32LE(frame.length, 4);
        context.writeUInt32LE(device, 12);
        return world.node.inside(
          () => programTestRun(datapath.programs().get("node_xdp") ?? -1, frame, context).verdict,
        );
      };
      expect(run(link?.ifindex ?? 0)).toBe(XDP_PASS);
      expect(run(0)).toBe(XDP_PASS);
      expect(entries()).toBe(0);
    });
});
