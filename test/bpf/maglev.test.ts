// SPDX-License-Identifier: Apache-2.0
// Frontends with a Maglev table: a packet's own hash says which cell, on every node the same.
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Datapath } from "../../agent/shell/kernel/datapath.ts";
import type { PacketSpec } from "./packet.ts";
import { PacketTable } from "./packet-table.ts";
import { network, serve, TCP, UDP, World } from "./world.ts";

const VIP = "192.0.2.40";
const PRIME = 251;
const FLOWS = 300;
let world: World;
const nodes: { readonly datapath: Datapath; readonly table: PacketTable }[] = [];

/** A table of `PRIME` cells over backends of these last numbers, in turns. */
const cells = (hosts: readonly number[]) =>
  Array.from({ length: PRIME }, (_, cell) => ({
    address: `10.244.1.${hosts[cell % hosts.length] ?? 0}`,
    port: 8080,
  }));

beforeAll(() => {
  world = new World();
  const datapath = world.datapath({ frontends: 64, selections: 4096, arena: 4096, backends: 4096, flows: 4096 });
  datapath.configure(network);
  for (const protocol of [TCP, UDP]) {
    const algorithm = "maglev";
    const common = { address: VIP, protocol, algorithm } as const;
    serve(datapath, { ...common, port: 80, service: 1 }, cells([10, 11, 12, 13, 14]));
    serve(datapath, { ...common, port: 81, service: 2, affinitySeconds: 60 }, cells([10, 11, 12, 13, 14]));
  }
  nodes.push({ datapath, table: new PacketTable(world, datapath, "eth0", datapath.capacity) });
});

const node = () => {
  const [first] = nodes;
  if (first === undefined) throw new Error("there is no datapath");
  return first;
};

beforeEach(() => node().table.forget());
afterAll(() => world.cleanup.run());

const packet = (protocol: "tcp" | "udp", port: number, more: Partial<PacketSpec>): PacketSpec => ({
  source: "198.51.100.7",
  destination: VIP,
  destinationPort: port,
  protocol,
  flags: "S",
  ...more,
});

const chosen = (spec: PacketSpec): string => node().table.ingress(spec).to;

test.each(["tcp", "udp"] as const)(
  "%s: a flow finds the same backend again with no state at all, and flows spread over all backends",
  (protocol) => {
    const flow = (at: number) => packet(protocol, 80, { sourcePort: 20_000 + at });
    const first = Array.from({ length: FLOWS }, (_, at) => chosen(flow(at)));
    node().table.forget();
    expect(Array.from({ length: FLOWS }, (_, at) => chosen(flow(at)))).toEqual(first);
    const counts = new Map<string, number>();
    for (const backend of first) counts.set(backend, (counts.get(backend) ?? 0) + 1);
    expect(counts.size).toBe(5);
    for (const count of counts.values()) expect(count).toBeGreaterThan(FLOWS / 5 / 2);
  },
);

test("with session affinity a client chooses by its address alone, so that every node gives it the same backend", () => {
  const backends = new Set<string>();
  for (let client = 1; client <= 40; client++) {
    const one = new Set<string>();
    for (let at = 0; at < 5; at++) {
      node().table.forget();
      one.add(chosen(packet("tcp", 81, { source: `198.51.100.${client}`, sourcePort: 30_000 + at })));
    }
    expect(one.size).toBe(1);
    for (const backend of one) backends.add(backend);
  }
  expect(backends.size).toBe(5);
});
