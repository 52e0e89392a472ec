// SPDX-License-Identifier: Apache-2.0
// Each CPU's copies of flows: a connection in mid-stream goes by them, and by none that is not true any more.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Datapath } from "../../agent/shell/kernel/datapath.ts";
import { allowedCpus, runOn } from "../support/this-thread.ts";
import type { PacketSpec } from "./packet.ts";
import { PacketTable, type Road } from "./packet-table.ts";
import { CLIENT, NODE, network, OTHER_POD, serve, TCP, testSizes, World } from "./world.ts";

const VIP = "192.0.2.95";
const OTHER_CLIENT = "10.77.0.9";
const FLAGS_AT = 49;
const CLOSING = 4;
/** In a flow's value: the second when it was seen last. */
const SEEN_AT = 44;
const LONGER_THAN_KEPT_SECONDS = 7 * 3600;

let world: World;
let datapath: Datapath;
let tables: Readonly<Record<Road, PacketTable>>;

let selections: Readonly<Record<8080 | 8081, number>>;
const cpusBefore = allowedCpus();

beforeAll(() => {
  world = new World();
  world.makeWire();
  datapath = world.datapath(testSizes, { acceleration: "native" });
  datapath.configure(network);
  world.attach(datapath);
  world.meetNeighbours();
  const serveBy = (port: number) =>
    serve(datapath, { address: VIP, port: 80, protocol: TCP }, [{ address: OTHER_POD, port }]);
  selections = { 8080: serveBy(8080), 8081: serveBy(8081) };
  const mac = "02:00:00:00:00:09";
  world.node.ip("neighbour", "replace", OTHER_CLIENT, "lladdr", mac, "dev", "eth0", "nud", "permanent");
  const table = (road: Road) => new PacketTable(world, datapath, "eth0", testSizes, road);
  tables = { tc: table("tc"), xdp: table("xdp") };
});

beforeEach(() => {
  runOn(0);
  tables.tc.forget();
  lead(8080);
});

afterAll(() => {
  runOn(...cpusBefore);
  world.cleanup.run();
});

/** New connections reach this port of the backend from now on; the other one is still there. */
function lead(port: 8080 | 8081): void {
  const selection = selections[port];
  const both = { selection, externalSelection: selection, service: selection };
  const policies = { noEndpoint: "reject", affinitySeconds: 0, sourceRanges: false, scope: "external" } as const;
  const key = { address: VIP, port: 80, protocol: TCP };
  datapath.apply({ kind: "upsert-frontend", key, entry: { ...both, ...policies } });
}

const asks = (flags: string, source = CLIENT): PacketSpec => ({
  ...{ protocol: "tcp", source, sourcePort: 5000, destination: VIP, destinationPort: 80, flags },
});
const answers = (flags: string): PacketSpec => ({
  ...{ protocol: "tcp", source: OTHER_POD, sourcePort: 8080, destination: NODE, destinationPort: 5000, flags },
});

/** Where a packet of the client went. */
const asked = (road: Road, flags: string, source?: string) => tables[road].ingress(asks(flags, source)).to;
const answered = (road: Road) => tables[road].ingress(answers("A")).to;

const [before, now] = [`${OTHER_POD}:8080`, `${OTHER_POD}:8081`];

describe.each(["tc", "xdp"] as const)("%s", (road) => {
  /** A connection whose packets are answered from a copy: its second packet enters its flow, its third copies that. */
  const begin = (): void => {
    for (const flags of ["S", "A", "A"]) expect(asked(road, flags)).toBe(before);
  };

  test("goes by what it has copied, while that is not older than a few jiffies", async () => {
    const copied = () => {
      lead(8080);
      begin();
      for (const [key] of [...tables[road].flows.walk()]) tables[road].flows.delete(key);
      lead(8081);
      // Nobody but the copy remembers where this went. A slow machine may take longer than it lasts.
      const to = asked(road, "A");
      if (to !== before) tables[road].forget();
      return to;
    };
    await expect.poll(copied).toBe(before);
    await expect.poll(() => asked(road, "A"), { timeout: 5_000 }).toBe(now);
  });

  test("notes how a connection ends whose packets were answered from a copy", () => {
    begin();
    asked(road, "FA");
    const flags = [...tables[road].flows.walk()].map(([, value]) => value.readUInt8(FLAGS_AT) & CLOSING);
    expect(flags).toEqual([CLOSING, CLOSING]);
  });

  describe.each([
    ["tc", 0],
    ["tc", 1],
    ["xdp", 0],
    ["xdp", 1],
  ] as const)("when it was by %s on CPU %i", (other, cpu) => {
    /** Connections that begin while `work` runs do so by the other road, and there. */
    const elsewhere = <T>(work: () => T): T => {
      runOn(cpu);
      try {
        return work();
      } finally {
        runOn(0);
      }
    };

    test("that a closed connection began again, its packets reach what was chosen then", () => {
      begin();
      asked(road, "FA");
      lead(8081);
      expect(elsewhere(() => asked(other, "S"))).toBe(now);
      expect(asked(road, "A")).toBe(now);
    });

    test("that another client was given a port of ours, answers to it reach that client", () => {
      asked(road, "S");
      for (let time = 0; time < 3; time++) expect(answered(road)).toBe(`${CLIENT}:5000`);
      asked(road, "FA");
      elsewhere(() => {
        lead(8081);
        expect(asked(other, "S")).toBe(now);
        lead(8080);
        expect(asked(other, "S", OTHER_CLIENT)).toBe(before);
      });
      expect(answered(road)).toBe(`${OTHER_CLIENT}:5000`);
    });

    test("that another client was given a port of a connection long silent, answers to it reach that client", () => {
      asked(road, "S");
      for (let time = 0; time < 3; time++) expect(answered(road)).toBe(`${CLIENT}:5000`);
      for (const [key, value] of [...tables[road].flows.walk()]) {
        value.writeUInt32LE((value.readUInt32LE(SEEN_AT) - LONGER_THAN_KEPT_SECONDS) >>> 0, SEEN_AT);
        tables[road].flows.set(key, value);
      }
      expect(elsewhere(() => asked(other, "S", OTHER_CLIENT))).toBe(before);
      expect(answered(road)).toBe(`${OTHER_CLIENT}:5000`);
    });
  });
});
