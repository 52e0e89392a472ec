// SPDX-License-Identifier: Apache-2.0
// SCTP that the node itself sends to Services, by raw sockets in real namespaces: out, re-routed, answered, and refused.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Datapath } from "../../agent/shell/kernel/datapath.ts";
import type { Netns } from "../support/netns.ts";
import { dualStackWorld } from "./fixtures/dual-stack-world.ts";
import { IPV4, IPV6 } from "./fixtures/families.ts";
import { chunkTypes } from "./packet.ts";
import { type Heard, SctpPeer } from "./sctp-peer.ts";
import { SCTP, serve, type World } from "./world.ts";

const families = [
  {
    ...IPV4,
    vip: "192.0.2.71",
    wasTold: (node: Netns, vip: string) => node.ip("route", "get", vip).includes("mtu 1300"),
  },
  {
    ...IPV6,
    vip: "fd00::71",
    // A raw socket of IPv6 that is not connected makes nothing of it.
    wasTold: (node: Netns) => /^Icmp6InPktTooBigs\s+1$/m.test(node.run("cat", "/proc/net/snmp6")),
  },
] as const;

const INITIATE_TAG = 0xcafe1234;
const init = Buffer.concat([Buffer.from(INITIATE_TAG.toString(16), "hex"), Buffer.alloc(12, 7)]);
const SERVER = 8080;

let world: World;
let datapath: Datapath;

function furnish(at: Datapath): void {
  for (const { wildcard, vip, node, pod, otherPod } of families) {
    const protocol = SCTP;
    for (const [index, address] of [otherPod, pod, node].entries()) {
      const backends = [{ address, port: SERVER }];
      serve(at, { address: vip, port: 80 + index, protocol, scope: "cluster" }, backends);
      serve(at, { address: wildcard, port: 30_080 + index, protocol, external: [] }, backends);
    }
    serve(at, { address: vip, port: 83, protocol }, []);
    serve(at, { address: vip, port: 84, protocol, noEndpoint: "drop", ranges: ["203.0.113.0/24"] }, []);
    serve(at, { address: vip, port: 85, protocol, ranges: ["203.0.113.0/24"] }, [{ address: otherPod, port: SERVER }]);
    serve(at, { address: wildcard, port: 30_083, protocol }, []);
  }
}

const attach = (podDevices: readonly string[] = [], sctpDevices: readonly string[] = ["pod0"]) =>
  world.attach(datapath, ["eth0"], podDevices, sctpDevices, ["lo"]);

beforeAll(() => {
  ({ world, datapath } = dualStackWorld(furnish));
  // As a default route leads to what no other does.
  for (const { vip, otherNode } of families) world.node.ip("route", "add", vip, "via", otherNode);
  attach();
});

afterAll(() => world.cleanup.run());

describe.each(families)("$family", ({ node, otherNode, otherPods, pod, otherPod, vip, wasTold }) => {
  let host: SctpPeer;
  const servers = new Map<string, SctpPeer>();
  let lastPort = 40_000;

  beforeAll(() => {
    host = new SctpPeer(world.node, node, world.cleanup);
    servers.set("elsewhere", new SctpPeer(world.otherNode, otherPod, world.cleanup));
    servers.set("pod", new SctpPeer(world.pod, pod, world.cleanup));
    servers.set("node", host);
  });

  async function hears(peer: SctpPeer, port: number): Promise<Heard> {
    let heard: Heard | undefined;
    await expect.poll(() => (heard = peer.take(port)), { timeout: 3000, interval: 10 }).toBeDefined();
    return heard as Heard;
  }

  /** An INIT and its answer, then data and their answers: what the server heard first, and the node at last. */
  async function associate(server: SctpPeer, destination: string, destinationPort: number) {
    const sourcePort = ++lastPort;
    const exchange = async (chunk: "init" | "data", payload: Buffer) => {
      host.send({ sourcePort, destination, destinationPort, chunk, payload });
      const asked = await hears(server, SERVER);
      const [, address = "", port] = /^(.*):(\d+)$/.exec(asked.from) ?? [];
      server.send({ sourcePort: SERVER, destination: address, destinationPort: Number(port), tag: 99, payload });
      return { asked, answered: await hears(host, sourcePort) };
    };
    const begun = await exchange("init", init);
    await exchange("data", Buffer.from("fedcba9876543210"));
    const { asked, answered } = await exchange("data", Buffer.from("0123456789abcdef"));
    expect(asked.from).toBe(begun.asked.from);
    expect(answered).toMatchObject({ from: begun.answered.from, payload: "0123456789abcdef", checksum: "right" });
    expect(begun.asked).toMatchObject({ chunk: chunkTypes.init, checksum: "right" });
    return { seenFrom: begun.asked.from, port: sourcePort, answeredFrom: answered.from };
  }

  const places = ["elsewhere", "pod", "node"] as const;
  const at = (place: string): SctpPeer => {
    const server = servers.get(place);
    if (server === undefined) throw new Error(`no server ${place}`);
    return server;
  };

  test.each(places)(
    "to a Service whose backend is of %s reaches it, and is answered from the Service",
    async (place) => {
      const port = 80 + places.indexOf(place);
      const association = await associate(at(place), vip, port);
      expect(association.answeredFrom).toBe(`${vip}:${port}`);
      expect(association.seenFrom).toBe(`${node}:${association.port}`);
    },
  );

  test.each(places)("to a NodePort at the node's own address reaches a backend of %s", async (place) => {
    const port = 30_080 + places.indexOf(place);
    const association = await associate(at(place), node, port);
    expect(association.answeredFrom).toBe(`${node}:${port}`);
    expect(association.seenFrom).toBe(`${node}:${association.port}`);
  });

  test("to a NodePort at another node's address is given a backend here, as its sockets are", async () => {
    expect((await associate(at("pod"), otherNode, 30_081)).answeredFrom).toBe(`${otherNode}:30081`);
  });

  test("reaches a pod that opted out of socket load balancing, too", async () => {
    attach(["pod0"], []);
    expect((await associate(at("pod"), vip, 81)).answeredFrom).toBe(`${vip}:81`);
    attach();
  });

  test("needs no source range", async () => {
    expect((await associate(at("elsewhere"), vip, 85)).answeredFrom).toBe(`${vip}:85`);
  });

  test.each([
    ["a Service", vip, 83],
    ["a Service whose policy drops what comes from outside", vip, 84],
    ["a NodePort", node, 30_083],
  ])("to %s without an endpoint is answered by an ABORT that it believes", async (_what, destination, port) => {
    const sourcePort = ++lastPort;
    host.send({ sourcePort, destination, destinationPort: port, chunk: "init", payload: init });
    expect(await hears(host, sourcePort)).toMatchObject({
      from: `${destination}:${port}`,
      chunk: chunkTypes.abort,
      tag: INITIATE_TAG,
      checksum: "right",
    });
  });

  test("that is too big for the road to the backend is told to the node, about the Service that it asked", async () => {
    const road = [otherPods, "via", otherNode, "dev", "eth0"];
    world.node.ip("route", "replace", ...road, "mtu", "lock", "1300");
    try {
      host.send({ sourcePort: ++lastPort, destination: vip, destinationPort: 80, payload: Buffer.alloc(1400, 1) });
      await expect.poll(() => wasTold(world.node, vip), { timeout: 3000 }).toBe(true);
    } finally {
      world.node.ip("route", "replace", ...road);
    }
  });

  test("straight to a pod, here or elsewhere, goes as it is", async () => {
    for (const [place, address] of [
      ["pod", pod],
      ["elsewhere", otherPod],
    ] as const) {
      expect((await associate(at(place), address, SERVER)).answeredFrom).toBe(`${address}:${SERVER}`);
    }
  });

  test("of two Services with one backend keeps them apart, from one and the same port", async () => {
    const sourcePort = ++lastPort;
    for (const [destination, port] of [
      [vip, 80],
      [node, 30_080],
    ] as const) {
      host.send({ sourcePort, destination, destinationPort: port, chunk: "init", payload: init });
      const { from } = await hears(at("elsewhere"), SERVER);
      const seenPort = Number(from.slice(from.lastIndexOf(":") + 1));
      at("elsewhere").send({ sourcePort: SERVER, destination: node, destinationPort: seenPort });
      expect(await hears(host, sourcePort)).toMatchObject({ from: `${destination}:${port}`, checksum: "right" });
    }
  });
});
