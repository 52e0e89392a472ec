// SPDX-License-Identifier: Apache-2.0
// Source ranges hold whatever stands between the IPv6 header and the transport's: by tc, by XDP, at a pod's device, at a socket.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Datapath } from "../../agent/shell/kernel/datapath.ts";
import { DESTINATION_OPTIONS, HOP_BY_HOP_OPTIONS, ROUTING_HEADER, withExtensions } from "./extensions.ts";
import { fragmentsOf } from "./fragments.ts";
import { build, type PacketSpec, type TransportName } from "./packet.ts";
import { DROP, NEXT, type Outcome, PacketTable, REDIRECT, type Road } from "./packet-table.ts";
import { CLIENT6, dualNetwork, NODE6, OTHER_POD6, POD6, SCTP, serve, TCP, testSizes, UDP, World } from "./world.ts";

const VIP = "fd00::40";
const ADMITTED = "fd99::7";
const RANGES = ["fd99::/64"];
/** More headers than the programs walk. */
const TOO_MANY = Array.from({ length: 5 }, () => DESTINATION_OPTIONS);
const headers: [what: string, types: number[]][] = [
  ["no extension header", []],
  ["hop-by-hop options", [HOP_BY_HOP_OPTIONS]],
  ["destination options", [DESTINATION_OPTIONS]],
  ["a routing header that has been followed", [ROUTING_HEADER]],
  ["as many as are walked", [HOP_BY_HOP_OPTIONS, DESTINATION_OPTIONS, ROUTING_HEADER, DESTINATION_OPTIONS]],
];

describe.each(["tc", "xdp"] as const)("by %s", (road: Road) => {
  let world: World;
  let table: PacketTable;

  beforeAll(() => {
    world = new World();
    world.addIpv6();
    world.makeWire();
    world.meetNeighbours();
    const datapath = world.datapath(testSizes, { acceleration: road === "xdp" ? "native" : "disabled" });
    datapath.configure(dualNetwork);
    world.attach(datapath);
    for (const protocol of [TCP, UDP, SCTP]) {
      serve(datapath, { address: VIP, port: 80, protocol, ranges: RANGES }, [{ address: OTHER_POD6, port: 8080 }]);
      serve(datapath, { address: VIP, port: 81, protocol, ranges: RANGES }, [{ address: POD6, port: 8080 }]);
      const both = [...RANGES, `${POD6}/128`];
      serve(datapath, { address: VIP, port: 83, protocol, ranges: both }, [{ address: OTHER_POD6, port: 8080 }]);
      serve(datapath, { address: VIP, port: 84, protocol }, [{ address: OTHER_POD6, port: 8080 }]);
    }
    table = new PacketTable(world, datapath, "eth0", testSizes, road);
  });
  beforeEach(() => table.forget());
  afterAll(() => world.cleanup.run());

  const packet = (protocol: TransportName, destinationPort: number, source: string): PacketSpec => ({
    ...{ protocol, source, sourcePort: 5000, destination: VIP, destinationPort, flags: "S", payload: "p".repeat(300) },
    chunk: "init",
  });

  test.each([
    ["tcp", "pod"],
    ["udp", "pod"],
    ["sctp", "pod"],
    ["sctp", "sctpFromPod"],
  ] as const)("%s of a pod (%s) does not pass them with the address of a client outside", (protocol, from) => {
    for (const source of [ADMITTED, POD6])
      expect(table[from](packet(protocol, 80, source))).toMatchObject({
        ...{ verdict: DROP, counted: { drop_source_range: 1 } },
      });
    expect(table[from](packet(protocol, 83, ADMITTED))).toMatchObject({ verdict: DROP });
    for (const [port, source] of [
      [83, POD6],
      [84, POD6],
      [84, ADMITTED],
    ] as const)
      expect(table[from](packet(protocol, port, source))).toMatchObject({ verdict: NEXT, to: `${OTHER_POD6}:8080` });
  });

  describe.each(["tcp", "udp"] as const)("%s", (protocol) => {
    test.each(headers)("with %s meets the source ranges", (_, types) => {
      for (const [port, to, verdict] of [
        [80, `${OTHER_POD6}:8080`, REDIRECT],
        [81, `${POD6}:8080`, NEXT],
      ] as const) {
        const out = table.ingress(withExtensions(build(packet(protocol, port, CLIENT6)), types));
        expect(out).toMatchObject({ verdict: DROP, counted: { drop_source_range: 1 } });
        const inside = table.ingress(withExtensions(build(packet(protocol, port, ADMITTED)), types));
        expect(inside).toMatchObject({ verdict, to, checksums: "right" });
      }
    });

    // The fragment header is one more.
    test.each(headers.slice(0, -1))("with %s in front of fragments meets them, to the last fragment", (_, types) => {
      const pieces = fragmentsOf(build(packet(protocol, 80, CLIENT6)), 120).map((piece) =>
        withExtensions(piece, types),
      );
      expect(pieces.length).toBe(3);
      for (const piece of pieces) expect(table.run("node_ingress", piece).verdict).toBe(DROP);
    });

    test("of a pod served at its device meets them as well", () => {
      for (const [, types] of headers) {
        const frame = withExtensions(build(packet(protocol, 80, POD6)), types);
        expect(table.pod(frame)).toMatchObject({ verdict: DROP, counted: { drop_source_range: 1 } });
      }
    });

    test("with more headers than are walked is not served at all", () => {
      const unserved = (out: Outcome) => expect(out).toMatchObject({ verdict: NEXT, counted: {} });
      for (const source of [CLIENT6, ADMITTED]) {
        const frame = () => withExtensions(build(packet(protocol, 80, source)), TOO_MANY);
        unserved(table.ingress(frame()));
        unserved(table.pod(frame()));
      }
    });
  });
});

describe("a pod's socket that no range admits", () => {
  let world: World;
  let datapath: Datapath;

  beforeAll(async () => {
    world = new World();
    world.addIpv6();
    datapath = world.datapath();
    datapath.configure(dualNetwork);
    world.attach(datapath, []);
    await world.talker(world.otherNode).listen("udp", OTHER_POD6, 8080, "remote");
    serve(datapath, { address: VIP, port: 81, protocol: UDP, ranges: RANGES }, [{ address: OTHER_POD6, port: 8080 }]);
    serve(datapath, { address: VIP, port: 82, protocol: UDP }, [{ address: OTHER_POD6, port: 8080 }]);
  });
  afterAll(() => world.cleanup.run());

  test.each([true, false])(
    "does not get around them by way of a router that it names (connected: %s)",
    async (connected) => {
      const dropped = () => datapath.counters()["drop_source_range"] ?? 0n;
      const pod = world.talker(world.pod, true);
      for (const more of [{}, { by: NODE6 }]) {
        const before = dropped();
        expect((await pod.udp(VIP, 81, { connected, unanswered: true, ...more })).error).toBeDefined();
        expect(dropped()).toBeGreaterThan(before);
      }
      expect(await pod.udp(VIP, 82, { connected })).toMatchObject({ name: "remote" });
    },
  );
});
