// SPDX-License-Identifier: Apache-2.0
// Idle flows: they give way when the map is full, and when their tuple is wanted; what is in use does not.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { answers, asks, ELSEWHERE, roads, SmallFlowMap } from "./fixtures/small-flow-map.ts";
import { NEXT, REDIRECT } from "./packet-table.ts";
import { CLIENT, NODE, POD } from "./world.ts";

const ENTRIES = 1024;
const OTHER_CLIENT = "10.77.0.9";
/** In a flow's key: the port that its packets go to. */
const PORT_AT = 34;
/** In its value: when it was seen last. */
const SEEN_AT = 44;
const GRANULE_AT = 50;
/** For these a port of ours is drawn: a flow that is lost and begins anew shows by another one. */
const PRIVILEGED = { used: 98, idle: 99 };

describe.each(roads)("by %s", (road) => {
  let node: SmallFlowMap;
  beforeAll(() => {
    node = new SmallFlowMap(ENTRIES, road);
  });
  afterAll(() => node?.close());

  /** Copies of a flow's entry, which no packet has. */
  function fill(): void {
    const [entry] = node.table.flows.walk();
    if (entry === undefined) throw new Error("there is no flow to copy");
    const [key, flow] = [Buffer.from(entry[0]), entry[1]];
    for (let port = 1; port <= ENTRIES; port++) {
      key.writeUInt16BE(port, PORT_AT);
      node.table.flows.set(key, flow);
    }
  }

  /** As if all packets had come so many seconds earlier. */
  function age(seconds: number): void {
    for (const [key, value] of [...node.table.flows.walk()]) {
      value.writeUInt32LE((value.readUInt32LE(SEEN_AT) - seconds) >>> 0, SEEN_AT);
      value.writeUInt16LE((value.readUInt16LE(GRANULE_AT) - 1) & 0xffff, GRANULE_AT);
      node.table.flows.set(key, value);
    }
  }

  test.each(["tcp", "udp"] as const)("a full map takes new flows of %s in place of idle ones alone", (protocol) => {
    const { table } = node;
    table.forget();
    const begin = (sourcePort: number) => {
      const { from } = table.ingress(asks(protocol, { sourcePort }));
      return { from, answers: answers(protocol, Number(from.split(":")[1])) };
    };
    const idle = begin(PRIVILEGED.idle);
    fill();
    const used = begin(PRIVILEGED.used);
    for (let at = 0; at < ENTRIES / 2; at++) {
      expect(table.ingress(asks(protocol, { sourcePort: 10_000 + at }))).toMatchObject({
        ...{ verdict: REDIRECT, counted: { new_service_flow: 1 } },
      });
      if (at % 16 > 0) continue;
      const again = asks(protocol, { sourcePort: PRIVILEGED.used, flags: "A" });
      expect(table.ingress(again)).toMatchObject({ verdict: REDIRECT, from: used.from });
      expect(table.ingress(used.answers)).toMatchObject({ verdict: REDIRECT, to: `${CLIENT}:${PRIVILEGED.used}` });
    }
    expect(node.entries()).toBeLessThanOrEqual(ENTRIES);
    expect(table.ingress(idle.answers)).toMatchObject({ verdict: NEXT, counted: {} });
  });

  test.each([
    ["an open connection", "tcp", ["S", "A"], 6 * 3600],
    ["a connection after its FIN", "tcp", ["S", "A", "FA"], 60],
    ["a connection after its RST", "tcp", ["S", "A", "R"], 60],
    ["datagrams", "udp", ["", ""], 120],
  ] as const)("the tuple of %s is another's when it was idle for longer than it may", (_, protocol, flags, seconds) => {
    const { table } = node;
    const idleFor = (duration: number): void => {
      table.forget();
      for (const flag of flags) table.ingress(asks(protocol, { flags: flag }));
      age(duration);
    };
    const next = asks(protocol, { source: OTHER_CLIENT });
    const began = { verdict: REDIRECT, counted: { new_service_flow: 1 } };
    idleFor(seconds - 5);
    const aside = table.ingress(next);
    expect(aside).toMatchObject(began);
    expect(aside.from).not.toBe(`${NODE}:5000`);
    idleFor(seconds + 5);
    expect(table.ingress(next)).toMatchObject({ ...began, from: `${NODE}:5000` });
  });

  test("a pod answers datagrams that came straight to it with its own address, seldom as it may, while they come", () => {
    const { table } = node;
    table.forget();
    const asked = {
      ...({ protocol: "udp", source: ELSEWHERE, sourcePort: 5000, destination: POD, destinationPort: 5353 } as const),
    };
    const answered = {
      ...({ protocol: "udp", source: POD, sourcePort: 5353, destination: ELSEWHERE, destinationPort: 5000 } as const),
    };
    for (let datagram = 0; datagram < 3; datagram++) {
      expect(table.ingress(asked)).toMatchObject({ verdict: NEXT, counted: {} });
      age(100);
    }
    expect(table.egress(answered)).toMatchObject({ from: `${POD}:5353`, counted: {} });
    age(125);
    expect(table.egress(answered)).toMatchObject({ from: `${NODE}:5353`, counted: { new_masquerade_flow: 1 } });
  });
});
