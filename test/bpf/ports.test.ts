// SPDX-License-Identifier: Apache-2.0
// What a new flow meets when every source port of ours to its remote endpoint is taken.
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Datapath } from "../../agent/shell/kernel/datapath.ts";
import type { PacketSpec } from "./packet.ts";
import { DROP, PacketTable, REDIRECT } from "./packet-table.ts";
import { CLIENT, NODE, network, OTHER_POD, POD, serve, TCP, testSizes, UDP, World } from "./world.ts";

const VIP = "192.0.2.90";
const ELSEWHERE = "203.0.113.7";
/** Of a flow's key: the port that its packets go to. */
const PORT_AT = 34;
const DRAWN = { first: 32_768, last: 65_535 };
/** Privileged, so never kept as a port of ours. */
const PRIVILEGED = 99;
const sizes = { ...testSizes, flows: 131_072 };
let world: World;
let datapath: Datapath;
let table: PacketTable;

beforeAll(() => {
  world = new World();
  world.node.ip("route", "add", "203.0.113.0/24", "via", CLIENT);
  datapath = world.datapath(sizes);
  datapath.configure(network);
  for (const protocol of [TCP, UDP]) {
    serve(datapath, { address: VIP, port: 80, protocol }, [{ address: OTHER_POD, port: 8080 }]);
    serve(datapath, { address: VIP, port: 81, protocol }, [{ address: OTHER_POD, port: 8081 }]);
  }
  table = new PacketTable(world, datapath, "eth0", sizes);
});

afterAll(() => world.cleanup.run());

/** The flow that has answers to the port of ours, once more for each port that may be drawn. */
function takeEveryPort(port: number): void {
  const answers = [...table.flows.walk()].find(([key]) => key.readUInt16BE(PORT_AT) === port);
  if (answers === undefined) throw new Error(`no flow has answers to port ${port}`);
  const [key, flow] = [Buffer.from(answers[0]), answers[1]];
  for (let taken = DRAWN.first; taken <= DRAWN.last; taken++) {
    key.writeUInt16BE(taken, PORT_AT);
    table.flows.set(key, flow);
  }
}

test.each(["tcp", "udp"] as const)(
  "%s to a backend elsewhere is dropped and counted; to another it is served",
  (protocol) => {
    table.forget();
    const asks: PacketSpec = {
      protocol,
      source: CLIENT,
      sourcePort: 5000,
      destination: VIP,
      destinationPort: 80,
      flags: "S",
    };
    expect(table.ingress(asks)).toMatchObject({ verdict: REDIRECT, from: `${NODE}:5000` });
    takeEveryPort(5000);
    const next = { ...asks, sourcePort: PRIVILEGED };
    expect(table.ingress(next)).toMatchObject({ verdict: DROP, counted: { drop_no_free_port: 1 } });
    expect(table.ingress({ ...next, destinationPort: 81 })).toMatchObject({
      verdict: REDIRECT,
      to: `${OTHER_POD}:8081`,
    });
    // Who has a flow goes on with it, and a port that nobody has is still there to be kept.
    expect(table.ingress({ ...asks, flags: "A" })).toMatchObject({ verdict: REDIRECT, from: `${NODE}:5000` });
    expect(table.ingress({ ...asks, sourcePort: 5001 })).toMatchObject({ verdict: REDIRECT, from: `${NODE}:5001` });
  },
);

test.each(["tcp", "udp"] as const)("%s of a pod that leaves the cluster is dropped and counted", (protocol) => {
  table.forget();
  const leaves: PacketSpec = {
    ...{ protocol, source: POD, sourcePort: 6000, destination: ELSEWHERE, destinationPort: 443, flags: "S" },
  };
  expect(table.egress(leaves)).toMatchObject({ from: `${NODE}:6000` });
  takeEveryPort(6000);
  const next = { ...leaves, sourcePort: PRIVILEGED };
  expect(table.egress(next)).toMatchObject({ verdict: DROP, counted: { drop_no_free_port: 1 } });
  expect(table.egress({ ...next, destinationPort: 444 }).from).toMatch(new RegExp(`^${NODE}:`));
});
