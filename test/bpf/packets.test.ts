// SPDX-License-Identifier: Apache-2.0
// The tc programs packet by packet: what goes in, the verdict, what comes out, and what is counted.
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { Operation } from "../../agent/core/operation.ts";
import type { Datapath } from "../../agent/shell/kernel/datapath.ts";
import { programTestRun } from "../../agent/shell/kernel/syscall.ts";
import { build, type PacketSpec } from "./packet.ts";
import { DROP, NEXT, type Outcome, PacketTable, REDIRECT } from "./packet-table.ts";
import { CLIENT, NODE, network, OTHER_POD, POD, serve, TCP, UDP, World } from "./world.ts";

const ELSEWHERE = "203.0.113.7";
const VIP = "192.0.2.10";
const ABSENT_ADDRESS = "192.0.2.99";
const UNROUTED_POD = "198.51.100.1";

let world: World;
let datapath: Datapath;
let table: PacketTable;

beforeAll(() => {
  world = new World();
  world.node.ip("route", "add", "203.0.113.0/24", "via", CLIENT);
  datapath = world.datapath();
  datapath.configure(network);
  for (const protocol of [TCP, UDP]) {
    serve(datapath, { address: "*4", port: 30_001, protocol }, [{ address: POD, port: 8080 }]);
    serve(datapath, { address: "*4", port: 30_002, protocol }, [{ address: OTHER_POD, port: 8080 }]);
    serve(datapath, { address: VIP, port: 80, protocol }, [{ address: OTHER_POD, port: 8080 }]);
    serve(datapath, { address: VIP, port: 82, protocol, scope: "cluster" }, [{ address: POD, port: 8080 }]);
    serve(datapath, { address: VIP, port: 83, protocol }, [{ address: UNROUTED_POD, port: 8080 }]);
  }
  table = new PacketTable(world, datapath);
});

beforeEach(() => table.forget());

afterAll(() => world.cleanup.run());

const ingress = (spec: PacketSpec): Outcome => table.ingress(spec);
const egress = (spec: PacketSpec): Outcome => table.egress(spec);

const fromClient = (protocol: "tcp" | "udp", destination: string, port: number): PacketSpec => ({
  source: CLIENT,
  sourcePort: 5000,
  destination,
  destinationPort: port,
  protocol,
  flags: "S",
});

describe.each(["tcp", "udp"] as const)("%s", (protocol) => {
  test("to a NodePort with a backend here gets a new destination and climbs the stack; the answer is turned back", () => {
    expect(ingress(fromClient(protocol, NODE, 30_001))).toEqual({
      verdict: NEXT,
      from: `${CLIENT}:5000`,
      to: `${POD}:8080`,
      ttl: 64,
      payload: "payload",
      checksums: "right",
      counted: { new_service_flow: 1, rewritten: 1 },
    });
    const answer = { protocol, source: POD, sourcePort: 8080, destination: CLIENT, destinationPort: 5000, flags: "SA" };
    expect(egress(answer)).toMatchObject({
      verdict: NEXT,
      from: `${NODE}:30001`,
      to: `${CLIENT}:5000`,
      ttl: 64,
      checksums: "right",
      counted: { rewritten: 1 },
    });
  });

  test("to a backend elsewhere leaves from our address with one hop less; the answer is redirected to the client", () => {
    expect(ingress(fromClient(protocol, VIP, 80))).toEqual({
      verdict: REDIRECT,
      from: `${NODE}:5000`,
      to: `${OTHER_POD}:8080`,
      ttl: 63,
      payload: "payload",
      checksums: "right",
      counted: { new_service_flow: 1, forwarded: 1 },
    });
    const answer = { protocol, source: OTHER_POD, sourcePort: 8080, destination: NODE, destinationPort: 5000 };
    expect(ingress({ ...answer, flags: "SA" })).toMatchObject({
      verdict: REDIRECT,
      from: `${VIP}:80`,
      to: `${CLIENT}:5000`,
      ttl: 63,
      checksums: "right",
      counted: { forwarded: 1 },
    });
  });

  test.each([
    ["a cluster-only frontend", VIP, 82],
    ["a NodePort nobody has", NODE, 30_777],
    ["a NodePort on an address that is not ours", "10.77.0.3", 30_001],
    ["an ordinary port of ours", NODE, 22],
  ])("to %s passes untouched", (_, address, port) => {
    expect(ingress(fromClient(protocol, address, port))).toMatchObject({
      verdict: NEXT,
      from: `${CLIENT}:5000`,
      to: `${address}:${port}`,
      counted: {},
    });
  });

  test("to a backend that no route leads to is dropped", () => {
    expect(ingress(fromClient(protocol, VIP, 83))).toMatchObject({ verdict: DROP, counted: { drop_no_route: 1 } });
  });

  test("with IPv4 options is translated behind them", () => {
    expect(ingress({ ...fromClient(protocol, NODE, 30_001), optionWords: 2 })).toMatchObject({
      to: `${POD}:8080`,
      checksums: "right",
    });
  });

  test("of a pod that leaves the cluster gets our address; the answer finds the pod", () => {
    const leaves = { protocol, source: POD, sourcePort: 6000, destination: ELSEWHERE, destinationPort: 53, flags: "S" };
    expect(egress(leaves)).toMatchObject({
      verdict: NEXT,
      from: `${NODE}:6000`,
      to: `${ELSEWHERE}:53`,
      checksums: "right",
      counted: { new_masquerade_flow: 1, rewritten: 1 },
    });
    const answer = { protocol, source: ELSEWHERE, sourcePort: 53, destination: NODE, destinationPort: 6000 };
    expect(ingress({ ...answer, flags: "SA" })).toMatchObject({
      verdict: NEXT,
      from: `${ELSEWHERE}:53`,
      to: `${POD}:6000`,
      checksums: "right",
    });
  });

  test.each([
    ["another pod", OTHER_POD],
    ["another node", "10.77.0.3"],
  ])("of a pod to %s keeps its source", (_, destination) => {
    const stays = { protocol, source: POD, sourcePort: 6000, destination, destinationPort: 53, flags: "S" };
    expect(egress(stays)).toMatchObject({ verdict: NEXT, from: `${POD}:6000`, counted: {} });
  });

  test("of two pods with one port gets two ports of ours", () => {
    const leaves = { protocol, sourcePort: 6000, destination: ELSEWHERE, destinationPort: 53, flags: "S" };
    const ports = ["10.244.1.5", "10.244.1.6"].map((source) => egress({ ...leaves, source }).from);
    expect(new Set(ports).size).toBe(2);
    for (const port of ports) expect(port).toMatch(/^10\.77\.0\.2:/);
  });
});

test("a UDP checksum of zero stays zero", () => {
  const spec = { ...fromClient("udp", NODE, 30_001), noChecksum: true };
  expect(ingress(spec)).toMatchObject({ to: `${POD}:8080`, checksums: "absent" });
});

test("an ICMP echo of a pod leaves with our address, and its answer finds the pod", () => {
  expect(
    egress({ protocol: "icmp", source: POD, sourcePort: 7, destination: ELSEWHERE, flags: "request" }),
  ).toMatchObject({
    verdict: NEXT,
    from: expect.stringMatching(/^10\.77\.0\.2:/),
    checksums: "right",
    counted: { new_masquerade_flow: 1 },
  });
  const asked = egress({ protocol: "icmp", source: POD, sourcePort: 7, destination: ELSEWHERE, flags: "request" });
  expect(asked.counted).toEqual({ rewritten: 1 });
  const id = Number(asked.from.split(":")[1]);
  expect(
    ingress({ protocol: "icmp", source: ELSEWHERE, sourcePort: id, destination: NODE, flags: "reply" }),
  ).toMatchObject({
    verdict: NEXT,
    to: `${POD}:7`,
    checksums: "right",
  });
});

test("TCP in mid-stream of a pod without state is not given another source", () => {
  const answer = {
    protocol: "tcp",
    source: POD,
    sourcePort: 8080,
    destination: ELSEWHERE,
    destinationPort: 4000,
  } as const;
  expect(egress({ ...answer, flags: "A" })).toMatchObject({ verdict: NEXT, from: `${POD}:8080`, counted: {} });
});

test("a closed connection's port may begin a new one with another backend", () => {
  const packet = fromClient("tcp", NODE, 30_001);
  expect(ingress(packet).counted).toMatchObject({ new_service_flow: 1 });
  expect(ingress(packet).counted).toEqual({ rewritten: 1 });
  expect(ingress({ ...packet, flags: "FA" }).counted).toEqual({ rewritten: 1 });
  expect(ingress(packet).counted).toMatchObject({ new_service_flow: 1 });
});

test("a reset that nobody believes, and a segment that belongs nowhere, change nothing for the connection they name", () => {
  const packet = fromClient("tcp", NODE, 30_001);
  const answer = {
    protocol: "tcp",
    source: POD,
    sourcePort: 8080,
    destination: CLIENT,
    destinationPort: 5000,
  } as const;
  for (const flags of ["S", "A"]) ingress({ ...packet, flags });
  for (const stray of [{ flags: "R" }, { flags: "FPA" }, { flags: "SFRA" }, { flags: "A" }]) {
    const nowhere = { sequence: 0xdeadbeef, acknowledgement: 0x12345678, ...stray };
    expect(ingress({ ...packet, ...nowhere })).toMatchObject({ verdict: NEXT, to: `${POD}:8080` });
    expect(egress({ ...answer, ...nowhere })).toMatchObject({ verdict: NEXT, from: `${NODE}:30001` });
    expect(ingress({ ...packet, flags: "A" })).toMatchObject({ to: `${POD}:8080`, counted: { rewritten: 1 } });
    expect(egress({ ...answer, flags: "A" })).toMatchObject({ from: `${NODE}:30001`, counted: { rewritten: 1 } });
  }
});

test("a NodePort outside the node's range is nobody's", () => {
  const ask = () => ingress(fromClient("tcp", NODE, 30_001));
  datapath.configure({ ...network, nodePortRange: { first: 30_002, last: 30_100 } });
  expect(ask()).toMatchObject({ verdict: NEXT, to: `${NODE}:30001`, counted: {} });
  datapath.configure(network);
  expect(ask()).toMatchObject({ verdict: NEXT, to: `${POD}:8080` });
});

test("a direction that was lost comes back with the next packets of the other", async () => {
  const packet = fromClient("tcp", NODE, 30_001);
  // The second packet enters the other direction.
  for (const flags of ["S", "A"]) ingress({ ...packet, flags });
  const HOOK_OFFSET = 37;
  const answers = [...table.flows.walk()].filter(([key]) => key.readUInt8(HOOK_OFFSET) === 1);
  expect(answers.length).toBe(1);
  for (const [key] of answers) table.flows.delete(key);
  // State is written at most every few seconds.
  await vi.waitFor(
    () => {
      ingress({ ...packet, flags: "A" });
      expect([...table.flows.walk()].length).toBe(2);
    },
    { timeout: 15_000, interval: 200 },
  );
  const answer = { source: POD, sourcePort: 8080, destination: CLIENT, destinationPort: 5000, flags: "A" };
  expect(egress({ protocol: "tcp", ...answer })).toMatchObject({ from: `${NODE}:30001`, counted: { rewritten: 1 } });
}, 20_000);

test("a SYN that comes where answers were expected is a new connection to us, not an answer", () => {
  const leaves = {
    protocol: "tcp",
    source: POD,
    sourcePort: 6000,
    destination: ELSEWHERE,
    destinationPort: 53,
  } as const;
  expect(egress({ ...leaves, flags: "S" }).counted).toMatchObject({ new_masquerade_flow: 1 });
  const comes = {
    protocol: "tcp",
    source: ELSEWHERE,
    sourcePort: 53,
    destination: NODE,
    destinationPort: 6000,
  } as const;
  expect(ingress({ ...comes, flags: "S" })).toMatchObject({ verdict: NEXT, to: `${NODE}:6000`, counted: {} });
});

test("a change of backends cut anywhere still finds a backend for every new flow", () => {
  const key = { address: "192.0.2.50", port: 80, protocol: TCP };
  const backend = (id: number, address: string): Operation => ({
    kind: "write-backend",
    id,
    backend: { address, port: 8080, protocol: TCP },
  });
  const flip = (offset: number, generation: number): Operation => ({
    kind: "flip-selection",
    id: 240,
    selection: { offset, count: 2, generation },
  });
  const first: Operation[] = [
    backend(241, POD),
    backend(242, OTHER_POD),
    { kind: "write-extent", offset: 900, backendIds: [241, 242] },
    flip(900, 1),
    {
      kind: "upsert-frontend",
      key,
      entry: {
        selection: 240,
        externalSelection: 240,
        noEndpoint: "reject",
        affinitySeconds: 0,
        sourceRanges: false,
        service: 240,
        scope: "external",
      },
    },
  ];
  const change: Operation[] = [
    backend(243, "10.244.1.7"),
    { kind: "write-extent", offset: 902, backendIds: [242, 243] },
    flip(902, 2),
    { kind: "clear-backend", id: 241 },
  ];
  for (const operation of first) datapath.apply(operation);
  const reached = new Set<string>();
  for (const [step, operation] of change.entries()) {
    datapath.apply(operation);
    // So many that neither of two is left out by chance.
    for (let attempt = 0; attempt < 64; attempt++) {
      const packet = { ...fromClient("tcp", key.address, key.port), sourcePort: 10_000 + step * 100 + attempt };
      const { verdict, to } = ingress(packet);
      expect(verdict).not.toBe(DROP);
      if (step === change.length - 1) reached.add(to);
    }
  }
  expect([...reached].sort()).toEqual(["10.244.1.7:8080", `${OTHER_POD}:8080`]);
});

test("many flows to one remote endpoint each get a port of their own", () => {
  const seen = new Set<string>();
  for (let index = 0; index < 300; index++) {
    const source = `10.244.1.${1 + (index % 250)}`;
    const packet = { source, sourcePort: 6000 + Math.floor(index / 250), destination: ELSEWHERE, destinationPort: 53 };
    seen.add(egress({ protocol: "udp", ...packet }).from);
  }
  expect(seen.size).toBe(300);
});

test("a selection whose backends are absent drops, and says so", () => {
  const selection = serve(datapath, { address: ABSENT_ADDRESS, port: 80, protocol: TCP }, [{ address: POD, port: 1 }]);
  const state = datapath.read();
  const [id = 0] = state.extents.get(state.selections.get(selection)?.offset ?? -1) ?? [];
  datapath.apply({ kind: "clear-backend", id });
  expect(ingress(fromClient("tcp", ABSENT_ADDRESS, 80))).toMatchObject({
    verdict: DROP,
    counted: { drop_absent_backend: 1 },
  });
});

test.each([
  ["IPv6", Buffer.concat([Buffer.alloc(12), Buffer.from([0x86, 0xdd, 0x60]), Buffer.alloc(60)])],
  ["ARP", Buffer.concat([Buffer.alloc(12), Buffer.from([0x08, 0x06]), Buffer.alloc(46)])],
  ["a cut TCP header", build(fromClient("tcp", NODE, 30_001)).subarray(0, 14 + 20 + 10)],
  [
    "an IPv4 header that lies about its length",
    Buffer.concat([Buffer.alloc(12), Buffer.from([8, 0, 0x4f]), Buffer.alloc(45)]),
  ],
])("%s passes as it is", (_, frame) => {
  const before = Buffer.from(frame);
  const fd = datapath.programs().get("node_ingress") ?? -1;
  const { verdict, packet } = programTestRun(fd, frame, Buffer.alloc(192));
  expect(verdict).toBe(NEXT);
  expect(packet.equals(before)).toBe(true);
});
