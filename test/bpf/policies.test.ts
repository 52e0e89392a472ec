// SPDX-License-Identifier: Apache-2.0
// What a frontend's policies do to packets from outside: external selection, source ranges, refusal, session affinity.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Datapath } from "../../agent/shell/kernel/datapath.ts";
import type { PacketSpec } from "./packet.ts";
import { DROP, NEXT, PacketTable, REDIRECT } from "./packet-table.ts";
import { CLIENT, NODE, network, OTHER_NODE, OTHER_POD, POD, serve, TCP, UDP, World } from "./world.ts";

const VIP = "192.0.2.20";
const SPREAD = Array.from({ length: 8 }, (_, index) => ({ address: `10.244.1.${100 + index}`, port: 8080 }));
let world: World;
let datapath: Datapath;
let table: PacketTable;
/** The selection that has affinity, by protocol. */
const spread = new Map<number, number>();

beforeAll(() => {
  world = new World();
  datapath = world.datapath();
  datapath.configure(network);
  const here = [{ address: POD, port: 8080 }];
  for (const protocol of [TCP, UDP]) {
    serve(datapath, { address: VIP, port: 80, protocol, external: here }, [{ address: OTHER_POD, port: 8080 }]);
    serve(datapath, { address: VIP, port: 81, protocol, external: [] }, here);
    serve(datapath, { address: VIP, port: 82, protocol, external: [], noEndpoint: "drop" }, here);
    serve(datapath, { address: VIP, port: 83, protocol, ranges: ["10.77.0.0/31", "198.51.100.0/24"] }, here);
    serve(datapath, { address: VIP, port: 84, protocol, ranges: ["203.0.113.0/24"] }, here);
    spread.set(protocol, serve(datapath, { address: VIP, port: 85, protocol, affinitySeconds: 3600 }, SPREAD));
    serve(datapath, { address: VIP, port: 86, protocol }, SPREAD);
    serve(datapath, { address: "*4", port: 30_090, protocol }, []);
  }
  table = new PacketTable(world, datapath);
});

beforeEach(() => table.forget());
afterAll(() => world.cleanup.run());

const packet = (protocol: "tcp" | "udp", port: number, more: Partial<PacketSpec> = {}): PacketSpec => ({
  source: CLIENT,
  sourcePort: 5000,
  destination: VIP,
  destinationPort: port,
  protocol,
  flags: "S",
  ...more,
});

describe.each(["tcp", "udp"] as const)("%s", (protocol) => {
  test("from outside is given what is selected for the outside", () => {
    expect(table.ingress(packet(protocol, 80))).toMatchObject({ verdict: NEXT, to: `${POD}:8080` });
  });

  test.each([
    ["here", OTHER_POD, 81, `${POD}:8080`],
    ["elsewhere", OTHER_POD, 80, `${OTHER_POD}:8080`],
    ["and none of the outside's", OTHER_POD, 82, `${POD}:8080`],
  ])("of a pod of another node is given what is selected for the cluster: %s", (_, source, port, to) => {
    expect(table.ingress(packet(protocol, port, { source }))).toMatchObject({ to });
  });

  test("of a network that sees pods with their own addresses is outside all the same", () => {
    datapath.configure({ ...network, nonMasqueradeCidrs: ["198.51.100.0/24"] });
    const source = "198.51.100.9";
    expect(table.ingress(packet(protocol, 80, { source }))).toMatchObject({ to: `${POD}:8080` });
    expect(table.ingress(packet(protocol, 82, { source }))).toMatchObject({ verdict: DROP });
    datapath.configure(network);
  });

  test("of another node itself is given what is selected for the outside", () => {
    expect(table.ingress(packet(protocol, 80, { source: OTHER_NODE }))).toMatchObject({ to: `${POD}:8080` });
    expect(table.ingress(packet(protocol, 82, { source: OTHER_NODE }))).toMatchObject({ verdict: DROP });
  });

  test("without endpoints for the outside is dropped where the policy says so", () => {
    expect(table.ingress(packet(protocol, 82))).toMatchObject({ verdict: DROP, counted: { drop_no_endpoint: 1 } });
  });

  test.each([
    ["a client in a range", CLIENT, NEXT],
    ["a client in the other range", "198.51.100.77", NEXT],
    ["who says to be another node", OTHER_NODE, DROP],
    ["who says to be a pod of another node", OTHER_POD, DROP],
    ["a client in no range", "198.51.101.1", DROP],
    ["who pretends to be our pod", "10.244.1.9", DROP],
  ])("of %s meets the source ranges", (_, source, verdict) => {
    const counted = verdict === DROP ? { drop_source_range: 1 } : { new_service_flow: 1, rewritten: 1 };
    expect(table.ingress(packet(protocol, 83, { source }))).toMatchObject({ verdict, counted });
  });

  test("the ranges of one service let nobody into another", () => {
    expect(table.ingress(packet(protocol, 84))).toMatchObject({ verdict: DROP, counted: { drop_source_range: 1 } });
    expect(table.ingress(packet(protocol, 84, { source: "203.0.113.9" })).verdict).toBe(NEXT);
    expect(table.ingress(packet(protocol, 83, { source: "203.0.113.9" })).verdict).toBe(DROP);
  });

  test("of one client stays with one backend under affinity, of many clients spreads", () => {
    const chosen = (port: number, source: string) =>
      new Set(
        Array.from(
          { length: 40 },
          (_, at) => table.ingress(packet(protocol, port, { source, sourcePort: 6000 + at })).to,
        ),
      );
    expect(chosen(85, CLIENT).size).toBe(1);
    expect(chosen(86, CLIENT).size).toBeGreaterThan(3);
    const clients = Array.from({ length: 40 }, (_, at) => [...chosen(85, `198.51.100.${at + 1}`)]);
    for (const backends of clients) expect(backends.length).toBe(1);
    expect(new Set(clients.flat()).size).toBeGreaterThan(3);
  });

  test("of a client with affinity keeps its backend through a change that still selects it, and moves on after one that does not", () => {
    const number = protocol === "tcp" ? TCP : UDP;
    const selection = spread.get(number) ?? 0;
    const first = table.ingress(packet(protocol, 85)).to;
    const state = datapath.read();
    const before = state.selections.get(selection);
    if (before === undefined) throw new Error("the selection is gone");
    const ids = (state.extents.get(before.offset) ?? []).slice(0, before.count);
    const mine = ids.find((id) => `${state.backends.get(id)?.address}:8080` === first) ?? 0;
    const other = ids.find((id) => id !== mine) ?? 0;
    const flip = (backendIds: number[], generation: number) => {
      const offset = 900 + generation * 10;
      datapath.apply({ kind: "write-extent", offset, backendIds });
      datapath.apply({
        kind: "flip-selection",
        id: selection,
        selection: { offset, count: backendIds.length, generation },
      });
    };
    try {
      flip([other, mine], 2);
      for (let at = 0; at < 20; at++) {
        expect(table.ingress(packet(protocol, 85, { sourcePort: 7000 + at }))).toMatchObject({
          to: first,
          counted: { affinity_kept: 1 },
        });
      }
      flip([other], 3);
      const moved = table.ingress(packet(protocol, 85, { sourcePort: 7100 })).to;
      expect(moved).toBe(`${state.backends.get(other)?.address}:8080`);
      // The old one is back; the client stays where it is now.
      flip([mine, other], 4);
      for (let at = 0; at < 20; at++) {
        expect(table.ingress(packet(protocol, 85, { sourcePort: 7200 + at })).to).toBe(moved);
      }
    } finally {
      datapath.apply({ kind: "flip-selection", id: selection, selection: before });
    }
  });

  test("of a client whose selection was given up, and used again from its first generation, moves to what it holds now", () => {
    const selection = spread.get(protocol === "tcp" ? TCP : UDP) ?? 0;
    const first = table.ingress(packet(protocol, 85)).to;
    const state = datapath.read();
    const before = state.selections.get(selection);
    if (before === undefined) throw new Error("the selection is gone");
    const ids = (state.extents.get(before.offset) ?? []).slice(0, before.count);
    const other = ids.find((id) => `${state.backends.get(id)?.address}:8080` !== first) ?? 0;
    try {
      datapath.apply({ kind: "clear-selection", id: selection });
      datapath.apply({ kind: "write-extent", offset: 1000, backendIds: [other] });
      datapath.apply({ kind: "flip-selection", id: selection, selection: { ...before, offset: 1000, count: 1 } });
      expect(table.ingress(packet(protocol, 85, { sourcePort: 7300 })).to).toBe(
        `${state.backends.get(other)?.address}:8080`,
      );
    } finally {
      datapath.apply({ kind: "flip-selection", id: selection, selection: before });
    }
  });

  test("of a client with affinity that was idle for too long may go elsewhere", () => {
    const chosen = new Set<string>();
    for (let at = 0; at < 40; at++) {
      chosen.add(table.ingress(packet(protocol, 85, { sourcePort: 8000 + at })).to);
      for (const [key, value] of [...table.affinities.walk()]) {
        // Below 0 on a machine that has been up for less than that: the clock's difference wraps as the programs' does.
        value.writeUInt32LE((value.readUInt32LE(4) - 3602) >>> 0, 4);
        table.affinities.set(key, value);
      }
    }
    expect(chosen.size).toBeGreaterThan(3);
  });
});

test.each([
  ["an address that no device has", VIP, 81],
  ["a NodePort of our own address", NODE, 30_090],
])("a SYN to %s without endpoints comes back as the reset that its sender accepts", (_, destination, port) => {
  const syn = packet("tcp", port, { destination, sequence: 1000, tcpOptionWords: 5, payload: "", ttl: 9 });
  expect(table.ingressDetail(syn)).toMatchObject({
    verdict: REDIRECT,
    from: `${destination}:${port}`,
    to: `${CLIENT}:5000`,
    flags: "AR",
    sequence: 0,
    acknowledgement: 1001,
    ttl: 64,
    payload: "",
    bytes: 54,
    checksums: "right",
    counted: { refused: 1 },
  });
});

test("a segment in mid-stream without endpoints is reset at the number it expects, data or not, IPv4 options or not", () => {
  for (const more of [{ payload: "" }, { payload: "x".repeat(999) }, { optionWords: 3 }]) {
    const segment = packet("tcp", 81, { flags: "A", sequence: 5, acknowledgement: 77, ...more });
    expect(table.ingressDetail(segment)).toMatchObject({
      verdict: REDIRECT,
      flags: "R",
      sequence: 77,
      acknowledgement: 0,
      checksums: "right",
    });
  }
  const data = packet("tcp", 81, { flags: "F", sequence: 5, payload: "12345" });
  expect(table.ingressDetail(data)).toMatchObject({ flags: "AR", acknowledgement: 11, checksums: "right" });
});

test("a reset is never answered", () => {
  expect(table.ingress(packet("tcp", 81, { flags: "R" }))).toMatchObject({ verdict: DROP });
});
