// SPDX-License-Identifier: Apache-2.0
// Direct server return: the node that is asked hands a packet to the backend's node, and that one answers the client.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { NodeNetwork } from "../../agent/core/operation.ts";
import { Datapath } from "../../agent/shell/kernel/datapath.ts";
import { makeCgroup, mountBpffs, type Netns } from "../support/netns.ts";
import { dualStackWorld } from "./fixtures/dual-stack-world.ts";
import { IPV4, IPV6 } from "./fixtures/families.ts";
import { fragmentsOf, reassemble } from "./fragments.ts";
import { build, type PacketSpec } from "./packet.ts";
import { DROP, NEXT, type PacketTable, type Program, type Ran, REDIRECT } from "./packet-table.ts";
import { read, readDetail } from "./seen-packet.ts";
import type { Talker } from "./talker.ts";
import {
  CLIENT,
  dualNetwork,
  OTHER_NODE,
  OTHER_NODE6,
  objectsDir,
  type Served,
  type ServedBackend,
  serve,
  TCP,
  testSizes,
  UDP,
  type World,
} from "./world.ts";

const families = [
  { ...IPV4, vip: "192.0.2.80", stranger: "10.77.0.200", expired: 11, tooBig: { type: 3, code: 4, mtu: 1400 } },
  { ...IPV6, vip: "fd00::80", stranger: "fd77::200", expired: 3, tooBig: { type: 2, code: 0, mtu: 1400 } },
] as const;

/** Frontends, by port, with backends on both nodes, on the other one, and on this one. */
const BOTH = 80;
const THERE = 81;
const HERE = 82;
/** Two nodes that do not agree: each is told that the other has the only backend. */
const SPLIT = 83;
const MOVING = 84;
const PLAIN = 85;
const nodePort = (port: number): number => 30_000 + port;

let world: World;
/** Of the node that clients ask, and of the other one. */
let datapath: Datapath;
let far: Datapath;
let table: PacketTable;
let client: Talker;
/** The selections of the frontends of port MOVING at the node that clients ask. */
const moving = new Map<string, number>();

const macOf = (netns: Netns): Buffer => {
  const [link] = JSON.parse(netns.ip("-j", "link", "show", "eth0"));
  return Buffer.from(link.address.replaceAll(":", ""), "hex");
};

const farNetwork: NodeNetwork = {
  ...dualNetwork,
  dsr: true,
  nodeAddresses: [OTHER_NODE, OTHER_NODE6],
  masqueradeAddresses: [OTHER_NODE, OTHER_NODE6],
  podCidrs: ["10.244.2.0/24", "fd44:2::/64"],
};

function serveAt(at: Datapath, isFar: boolean): void {
  for (const { wildcard, pod, otherPod, vip } of families) {
    const here: ServedBackend = { address: pod, port: 8080 };
    const there: ServedBackend = { address: otherPod, port: 8080 };
    const ports: [number, ServedBackend[], Partial<Served>][] = [
      [BOTH, [here, there], {}],
      [THERE, [there], {}],
      [HERE, [here], {}],
      [SPLIT, [isFar ? here : there], {}],
      [MOVING, [there], {}],
      [PLAIN, [there], { dsr: false }],
    ];
    for (const protocol of [TCP, UDP]) {
      for (const [port, backends, more] of ports) {
        const frontend = { protocol, algorithm: "maglev", dsr: true, ...more } as const;
        const selection = serve(at, { address: vip, port, ...frontend }, backends);
        if (port === MOVING && !isFar) moving.set(`${vip} ${protocol}`, selection);
        serve(at, { address: wildcard, port: nodePort(port), ...frontend }, backends);
      }
    }
  }
}

beforeAll(async () => {
  ({ world, datapath, table } = dualStackWorld((near) => serveAt(near, false), { ...dualNetwork, dsr: true }));
  const options = { cgroupRoot: makeCgroup(world.cleanup), objectsDir: objectsDir(), sizes: testSizes };
  far = world.otherNode.inside(() => new Datapath({ ...options, bpfRoot: mountBpffs(world.cleanup) }));
  world.cleanup.add(() => far.close());
  far.configure(farNetwork);
  serveAt(far, true);
  world.attach(datapath);
  world.otherNode.inside(() => far.attach(["eth0"]));
  world.meetNeighbours();
  const clientMac = macOf(world.client)
    .toString("hex")
    .replace(/..(?!$)/g, "$&:");
  for (const { client: address, pod, otherPod } of families) {
    for (const node of [world.node, world.otherNode])
      node.ip("neigh", "replace", address, "lladdr", clientMac, "dev", "eth0", "nud", "permanent");
    for (const protocol of ["tcp", "udp"] as const) {
      await world.talker(world.pod).listen(protocol, pod, 8080, "near");
      await world.talker(world.otherNode).listen(protocol, otherPod, 8080, "far");
    }
  }
  client = world.talker(world.client);
});

beforeEach(() => table.forget());
afterAll(() => world.cleanup.run());

/** A packet that comes from the client's own device, or from another's. */
function comes(spec: PacketSpec, from: Netns = world.client, program: Program = "node_ingress"): Ran {
  return table.run(program, framed(build(spec), from));
}

function framed(frame: Buffer, from: Netns = world.client): Buffer {
  macOf(from).copy(frame, 6);
  return frame;
}

describe.each(families)("a packet, $family", (family) => {
  const { client: address, node, otherNode, otherPod, otherPods, pod, vip, stranger, expired, tooBig } = family;
  const packet = (protocol: "tcp" | "udp", port: number, more: Partial<PacketSpec> = {}): PacketSpec => ({
    protocol,
    source: address,
    sourcePort: 5000,
    destination: vip,
    destinationPort: port,
    flags: "S",
    ...more,
  });

  describe.each(["tcp", "udp"] as const)("%s", (protocol) => {
    test("to a backend elsewhere is handed over as it came, with one hop less", () => {
      for (const to of [{}, { destination: node, destinationPort: nodePort(THERE) }]) {
        const spec = packet(protocol, THERE, to);
        const { verdict, counted, packet: out } = comes(spec);
        expect({ verdict, counted }).toEqual({ verdict: REDIRECT, counted: { new_service_flow: 1, handed_over: 1 } });
        expect(read(out)).toMatchObject({
          from: `${address}:5000`,
          to: `${spec.destination}:${spec.destinationPort}`,
          ttl: 63,
          checksums: "right",
        });
        expect(comes({ ...spec, flags: "A" }).counted).toEqual({ handed_over: 1 });
      }
    });

    test("to a backend here is served here, also at the NodePort of the node that handed it over", () => {
      for (const to of [{}, { destination: node }, { destination: otherNode }]) {
        const port = "destination" in to ? nodePort(HERE) : HERE;
        table.forget();
        const { verdict, packet: out } = comes(packet(protocol, port, to), world.otherNode);
        expect(verdict).toBe(NEXT);
        expect(read(out)).toMatchObject({ from: `${address}:5000`, to: `${pod}:8080`, checksums: "right" });
      }
    });

    test.each([
      ["handed over already, as its sender is not on the way back to the client", {}, "otherNode"],
      ["handed over already, as it is to another node", { destination: "otherNode" }, "otherNode"],
      ["of another node", { source: "otherNode" }, "client"],
      ["of a pod elsewhere", { source: "otherPod" }, "client"],
      ["of a client to whom no way back is known", { source: "stranger" }, "client"],
    ] as const)("to a backend elsewhere leaves from our address when it is %s", (_, ends, from) => {
      const names = { otherNode, otherPod, stranger };
      const named = Object.fromEntries(Object.entries(ends).map(([key, name]) => [key, names[name]]));
      const port = "destination" in ends ? nodePort(THERE) : THERE;
      const { verdict, counted, packet: out } = comes(packet(protocol, port, named), world[from]);
      expect({ verdict, counted }).toEqual({ verdict: REDIRECT, counted: { new_service_flow: 1, forwarded: 1 } });
      expect(read(out)).toMatchObject({ from: `${node}:5000`, to: `${otherPod}:8080`, checksums: "right" });
    });

    test("to a frontend without direct return leaves from our address, and at another node's NodePort passes", () => {
      expect(read(comes(packet(protocol, PLAIN)).packet).from).toBe(`${node}:5000`);
      const there = packet(protocol, nodePort(PLAIN), { destination: otherNode });
      expect(comes(there)).toMatchObject({ verdict: NEXT, counted: {} });
    });

    test("that the other node sends back, as it knows no direct return, leaves from our address from then on", () => {
      const spec = packet(protocol, nodePort(THERE), { destination: node });
      const ours = { from: `${node}:5000`, to: `${otherPod}:8080`, checksums: "right" };
      // Of the first packet we enter where its answers go, and of the second that its flow is not handed over.
      for (const flags of ["S", "A"]) {
        expect(comes({ ...spec, flags }).counted).toMatchObject({ handed_over: 1 });
        const { verdict, counted, packet: out } = comes({ ...spec, flags, ttl: 62 }, world.otherNode);
        expect({ verdict, counted }).toMatchObject({ verdict: REDIRECT, counted: { forwarded: 1 } });
        expect(read(out)).toMatchObject({ ...ours, ttl: 61 });
      }
      const { counted, packet: out } = comes({ ...spec, flags: "A" });
      expect(counted).toEqual({ forwarded: 1 });
      expect(read(out)).toMatchObject(ours);
      const answer = { source: otherPod, sourcePort: 8080, destination: node, destinationPort: 5000, flags: "SA" };
      expect(read(comes({ protocol, ...answer }, world.otherNode).packet)).toMatchObject({
        from: `${node}:${nodePort(THERE)}`,
        to: `${address}:5000`,
        checksums: "right",
      });
    });

    test("is not handed to a next hop that is no node", () => {
      world.node.ip("route", "replace", otherPods, "via", stranger);
      try {
        expect(comes(packet(protocol, THERE)).counted).toEqual({ new_service_flow: 1, forwarded: 1 });
      } finally {
        world.node.ip("route", "replace", otherPods, "via", otherNode);
      }
    });

    test("of a known flow is dropped when its next hop is no node any more, and does not come back to us", () => {
      comes(packet(protocol, THERE));
      world.node.ip("route", "replace", otherPods, "via", stranger);
      try {
        expect(comes(packet(protocol, THERE, { flags: "A" })).counted).toEqual({ drop_no_route: 1 });
      } finally {
        world.node.ip("route", "replace", otherPods, "via", otherNode);
      }
    });

    test("with its last hop used up is answered", () => {
      const { verdict, packet: out } = comes(packet(protocol, THERE, { ttl: 1 }));
      expect(verdict).toBe(REDIRECT);
      expect(readDetail(out)).toMatchObject({ type: expired, about: { from: `${address}:5000`, to: `${vip}:81` } });
    });

    test("an error about an answer is handed to the node that gave it, as it is", () => {
      comes(packet(protocol, THERE));
      const about = build(packet(protocol, 5000, { source: vip, sourcePort: THERE, destination: address })).subarray(
        14,
        14 + 48,
      );
      const error: PacketSpec = { protocol: "icmp", source: stranger, destination: vip, error: tooBig, payload: about };
      const { verdict, counted, packet: out } = comes(error);
      expect({ verdict, counted }).toEqual({ verdict: REDIRECT, counted: { icmp_error: 1, handed_over: 1 } });
      expect(readDetail(out)).toMatchObject({ mtu: 1400, about: { from: `${vip}:81`, to: `${address}:5000` } });
      expect(read(out)).toMatchObject({ to: expect.stringMatching(`^${vip}:`), ttl: 63, checksums: "right" });
      expect(comes(error, world.otherNode)).toMatchObject({ verdict: DROP, counted: { drop_no_route: 1 } });
    });
  });

  test("fragments are handed over whole", () => {
    const payload = "f".repeat(300);
    const frames = fragmentsOf(build(packet("udp", THERE, { payload })), 120);
    const ran = frames.map((frame) => table.run("node_ingress", framed(frame)));
    expect(ran.map(({ counted }) => counted["handed_over"])).toEqual(frames.map(() => 1));
    expect(read(reassemble(ran.map((each) => each.packet)))).toMatchObject({ to: `${vip}:81`, payload, ttl: 63 });
  });
});

// Last: what closes their connections is counted, too, and comes when it likes.
describe.each(families)("a client, $family", ({ client: address, node, otherNode, pod, vip }) => {
  describe.each(["tcp", "udp"] as const)("%s", (protocol) => {
    test("real packets reach the backend of either node with the client's address, and answers do not come by us", async () => {
      const before = datapath.counters();
      const names = new Set<string | undefined>();
      for (let flow = 0; flow < 16; flow++) {
        for (const [to, port, first] of [
          [vip, BOTH, 21_000],
          [node, nodePort(BOTH), 21_100],
        ] as const) {
          const localPort = first + flow;
          const reply = await client[protocol](to, port, { localPort });
          expect(reply.sees).toBe(`${address}:${localPort}`);
          if (protocol === "udp") expect(reply.from).toBe(`${to}:${port}`);
          names.add(reply.name);
        }
      }
      expect(names).toEqual(new Set(["near", "far"]));
      const after = datapath.counters();
      expect(after["handed_over"]).toBeGreaterThan(before["handed_over"] ?? 0n);
      expect(after["forwarded"]).toBe(before["forwarded"]);
    });

    test("nodes whose tables differ serve the client all the same, by SNAT after one hand-over", async () => {
      for (const [to, port, localPort] of [
        [vip, SPLIT, 22_000],
        [node, nodePort(SPLIT), 22_001],
      ] as const) {
        const before = far.counters();
        const reply = await client[protocol](to, port, { localPort });
        expect(reply).toMatchObject({ name: "near", sees: `${otherNode}:${localPort}` });
        const after = far.counters();
        expect(after["forwarded"]).toBeGreaterThan(before["forwarded"] ?? 0n);
        expect(after["handed_over"]).toBe(before["handed_over"]);
      }
    });

    test("a connection keeps its backend when the node that is asked would choose another now", async () => {
      const key = `${protocol} ${vip}`;
      const localPort = address === CLIENT ? 23_000 : 23_010;
      const first = { key, localPort };
      expect(await client[protocol](vip, MOVING, first)).toMatchObject({ name: "far" });
      const selection = moving.get(`${vip} ${protocol === "tcp" ? TCP : UDP}`) ?? -1;
      const { selections, extents, backends } = datapath.read();
      const before = selections.get(selection);
      if (before === undefined) throw new Error("the selection is gone");
      const [near] = [...backends].find(([, backend]) => {
        const number = protocol === "tcp" ? TCP : UDP;
        return backend.address === pod && backend.protocol === number;
      }) ?? [0];
      expect(extents.get(before.offset)?.length).toBe(1);
      datapath.apply({ kind: "write-extent", offset: 1000, backendIds: [near] });
      datapath.apply({ kind: "flip-selection", id: selection, selection: { offset: 1000, count: 1, generation: 2 } });
      try {
        expect(await client[protocol](vip, MOVING, first)).toMatchObject({
          name: "far",
          sees: `${address}:${localPort}`,
        });
        expect(await client[protocol](vip, MOVING, { localPort: localPort + 1 })).toMatchObject({ name: "near" });
      } finally {
        datapath.apply({ kind: "flip-selection", id: selection, selection: before });
      }
    });
  });

  test.each(["tcp", "udp"] as const)(
    "is served by %s while the other node knows no direct return yet",
    async (protocol) => {
      const localPort = address === CLIENT ? 24_000 : 24_010;
      far.configure({ ...farNetwork, dsr: false });
      try {
        const key = `rollout ${protocol} ${address}`;
        for (let question = 0; question < 3; question++) {
          const reply = await client[protocol](node, nodePort(THERE), { key, localPort });
          expect(reply).toMatchObject({ name: "far", sees: `${node}:${localPort}` });
        }
      } finally {
        far.configure(farNetwork);
      }
      expect(await client[protocol](node, nodePort(THERE), { localPort: localPort + 1 })).toMatchObject({
        ...{ name: "far", sees: `${address}:${localPort + 1}` },
      });
    },
  );

  test("large datagrams come and go through the node that was handed them", async () => {
    expect(await client.udp(vip, THERE, { bytes: 9000 })).toMatchObject({ name: "far", bytes: 9000 });
  });
});
