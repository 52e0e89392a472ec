// SPDX-License-Identifier: Apache-2.0
// Packets in fragments, in both families: the first shows the ports, and the others go its way.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Datapath } from "../../agent/shell/kernel/datapath.ts";
import { dualStackWorld } from "./fixtures/dual-stack-world.ts";
import { IPV4, IPV6 } from "./fixtures/families.ts";
import { fragmentsOf, reassemble } from "./fragments.ts";
import { build, MORE_FRAGMENTS, type PacketSpec } from "./packet.ts";
import { DROP, NEXT, type PacketTable, type Program, REDIRECT } from "./packet-table.ts";
import { read, type Seen } from "./seen-packet.ts";
import { CLIENT, serve, TCP, testSizes, UDP, type World } from "./world.ts";

const families = [
  { ...IPV4, vip: "192.0.2.60", unreachable: 3 },
  { ...IPV6, vip: "fd00::60", unreachable: 1 },
] as const;

const payload = Array.from({ length: 400 }, (_, index) => String.fromCharCode(97 + (index % 26))).join("");
const PIECE = 120;

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

/** All fragments of a packet through a program: their verdicts, and what a receiver puts together. */
function through(program: Program, spec: PacketSpec): { verdicts: number[]; seen: Seen; followed: number } {
  const ran = fragmentsOf(build(spec), PIECE).map((frame) => table.run(program, frame));
  expect(ran.length).toBeGreaterThan(3);
  return {
    verdicts: [...new Set(ran.map(({ verdict }) => verdict))],
    seen: read(reassemble(ran.map(({ packet }) => packet))),
    followed: ran.reduce((sum, { counted }) => sum + (counted["fragment_followed"] ?? 0), 0) - (ran.length - 1),
  };
}

describe.each(families)("$family", ({ client, node, pod, otherPod, vip, elsewhere, unreachable }) => {
  const toVip: PacketSpec = {
    protocol: "udp",
    source: client,
    sourcePort: 5000,
    destination: vip,
    destinationPort: 81,
    payload,
  };

  test.each([0, 2])("to a backend here arrive whole, and so do the answer's (%i words of options)", (words) => {
    const options = words === 0 ? {} : { optionWords: words };
    expect(through("node_ingress", { ...toVip, ...options })).toMatchObject({
      verdicts: [NEXT],
      seen: { from: `${client}:5000`, to: `${pod}:8080`, payload, checksums: "right" },
      followed: 0,
    });
    const answer = { source: pod, sourcePort: 8080, destination: client, destinationPort: 5000 };
    expect(through("node_egress", { ...answer, ...options, protocol: "udp", payload })).toMatchObject({
      verdicts: [NEXT],
      seen: { from: `${vip}:81`, to: `${client}:5000`, payload, checksums: "right" },
      followed: 0,
    });
  });

  test("to a backend elsewhere leave whole from our address, and so do the answer's for the client", () => {
    expect(through("node_ingress", { ...toVip, destinationPort: 80 })).toMatchObject({
      verdicts: [REDIRECT],
      seen: { from: `${node}:5000`, to: `${otherPod}:8080`, ttl: 63, payload, checksums: "right" },
    });
    const answer = { source: otherPod, sourcePort: 8080, destination: node, destinationPort: 5000 };
    expect(through("node_ingress", { ...answer, protocol: "udp", payload })).toMatchObject({
      verdicts: [REDIRECT],
      seen: { from: `${vip}:80`, to: `${client}:5000`, payload, checksums: "right" },
    });
  });

  test("of a TCP segment, and of a datagram with no checksum, too", () => {
    const syn = { ...toVip, protocol: "tcp", flags: "S" } as const;
    expect(through("node_ingress", syn).seen).toMatchObject({ to: `${pod}:8080`, payload, checksums: "right" });
    const bare = { ...toVip, sourcePort: 5001, noChecksum: true };
    expect(through("node_ingress", bare).seen).toMatchObject({ to: `${pod}:8080`, payload, checksums: "absent" });
  });

  test("of what a pod sends out of the cluster leave from our address, and the answer's find the pod", () => {
    const leaves = { source: pod, sourcePort: 6000, destination: elsewhere, destinationPort: 53 };
    expect(through("node_egress", { ...leaves, protocol: "udp", payload })).toMatchObject({
      verdicts: [NEXT],
      seen: { from: `${node}:6000`, to: `${elsewhere}:53`, payload, checksums: "right" },
    });
    const answer = { source: elsewhere, sourcePort: 53, destination: node, destinationPort: 6000 };
    expect(through("node_ingress", { ...answer, protocol: "udp", payload })).toMatchObject({
      seen: { from: `${elsewhere}:53`, to: `${pod}:6000`, payload, checksums: "right" },
    });
    const echo = { protocol: "icmp", source: pod, sourcePort: 7, destination: elsewhere, payload } as const;
    expect(through("node_egress", echo).seen).toMatchObject({
      from: expect.stringMatching(`^${node}:`),
      payload,
      checksums: "right",
    });
  });

  test("to nobody are answered once, and the others dropped", () => {
    const [first, ...others] = fragmentsOf(build({ ...toVip, destinationPort: 82 }), PIECE);
    const answer = table.run("node_ingress", first ?? Buffer.alloc(0));
    expect(answer).toMatchObject({ verdict: REDIRECT, counted: { refused: 1 } });
    expect(read(answer.packet)).toMatchObject({ to: expect.stringMatching(`^${client}:`), checksums: "right" });
    const type = answer.packet.readUInt8(client === CLIENT ? 34 : 54);
    expect(type).toBe(unreachable);
    for (const frame of others) {
      expect(table.run("node_ingress", frame)).toMatchObject({
        verdict: DROP,
        counted: { fragment_followed: 1, drop_no_endpoint: 1 },
      });
    }
    const [syn] = fragmentsOf(build({ ...toVip, protocol: "tcp", flags: "S", destinationPort: 82 }), PIECE);
    expect(table.run("node_ingress", syn ?? Buffer.alloc(0))).toMatchObject({ verdict: DROP });
  });

  test("that come before the first, or of a flow that is not ours, pass untouched and are counted", () => {
    const frames = fragmentsOf(build(toVip), PIECE);
    const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = frames;
    const early = table.run("node_ingress", second);
    expect(early).toMatchObject({ verdict: NEXT, counted: { fragment_passed: 1 } });
    expect(early.packet.equals(second)).toBe(true);
    table.run("node_ingress", first);
    expect(table.run("node_ingress", second).counted).toMatchObject({ fragment_followed: 1 });
    const strange = fragmentsOf(build({ ...toVip, destinationPort: 99, source: elsewhere }), PIECE);
    for (const [index, frame] of strange.entries()) {
      const { verdict, counted, packet } = table.run("node_ingress", frame);
      expect({ verdict, counted }).toEqual({ verdict: NEXT, counted: index === 0 ? {} : { fragment_passed: 1 } });
      expect(packet.equals(frame)).toBe(true);
    }
  });

  test("that come too late may belong to another packet of the same identification, and pass", () => {
    const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = fragmentsOf(build(toVip), PIECE);
    table.run("node_ingress", first);
    const SEEN_OFFSET = 8;
    for (const [key, value] of [...table.fragments.walk()]) {
      value.writeUInt32LE((value.readUInt32LE(SEEN_OFFSET) - 62) >>> 0, SEEN_OFFSET);
      table.fragments.set(key, value);
    }
    expect(table.run("node_ingress", second)).toMatchObject({ verdict: NEXT, counted: { fragment_passed: 1 } });
  });

  test("with their last hop used up are dropped, and only the first is answered", () => {
    const frames = fragmentsOf(build({ ...toVip, destinationPort: 80, ttl: 1 }), PIECE);
    const verdicts = frames.map((frame) => table.run("node_ingress", frame).verdict);
    expect(verdicts).toEqual([REDIRECT, ...frames.slice(1).map(() => DROP)]);
  });

  test("more than the map holds push out the oldest, and none is lost in silence", () => {
    const count = (testSizes.fragments ?? 0) * 4;
    for (let port = 0; port < count; port++) {
      const source = client === CLIENT ? `10.77.0.${100 + (port % 100)}` : `fd77::${100 + (port % 100)}`;
      const spec = { ...toVip, source, sourcePort: 1000 + port, fragment: MORE_FRAGMENTS };
      expect(table.ingress(spec)).toMatchObject({ to: `${pod}:8080` });
    }
    expect([...table.fragments.walk()].length).toBeLessThanOrEqual(testSizes.fragments ?? 0);
  });

  test("large datagrams reach a pod here and one elsewhere, and come back", async () => {
    world.attach(datapath);
    for (const [netns, name, address] of [
      [world.pod, "local", pod],
      [world.otherNode, "remote", otherPod],
    ] as const) {
      await world.talker(netns).listen("udp", address, 8080, name);
    }
    const talker = world.talker(world.client);
    for (const connected of [true, false]) {
      expect(await talker.udp(vip, 81, { bytes: 9000, connected })).toMatchObject({ name: "local", bytes: 9000 });
      expect(await talker.udp(vip, 80, { bytes: 9000, connected })).toMatchObject({ name: "remote", bytes: 9000 });
    }
    expect(datapath.counters()["fragment_followed"]).toBeGreaterThan(0n);
  });
});
