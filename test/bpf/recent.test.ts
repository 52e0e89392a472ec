// SPDX-License-Identifier: Apache-2.0
// XDP keeps what it was told within a jiffy: of another packet, device or length it is no answer, nor when the jiffy has ended.
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Datapath } from "../../agent/shell/kernel/datapath.ts";
import { programTestRun } from "../../agent/shell/kernel/syscall.ts";
import { connect } from "../support/netns.ts";
import { build, type PacketSpec } from "./packet.ts";
import { CLIENT, network, serve, TCP, testSizes, World } from "./world.ts";

const VIP = "192.0.2.10";
const XDP_PASS = 2;
const XDP_REDIRECT = 4;
const MAC_BYTES = 6;
/** Of each of two next hops. So far apart that the routes to seven of one have the places of seven of the other. */
const BACKENDS = 40;
const BACKENDS_APART = 6;
const SMALL_MTU = 600;
const FIRST_PORT = 1000;
const hops = [
  { address: "10.77.0.8", mac: "02:00:00:00:00:08", network: "10.244.2" },
  { address: "10.77.0.9", mac: "02:00:00:00:00:09", network: "10.244.3" },
] as const;

let world: World;
let datapath: Datapath;
let links: Record<"eth0" | "eth1", { ifindex: number; mac: Buffer }>;

const neighbour = (address: string, mac: string): void => {
  world.node.ip("neighbour", "replace", address, "lladdr", mac, "dev", "eth0", "nud", "permanent");
};
const linkOf = (device: string) => {
  const [link] = JSON.parse(world.node.ip("-j", "link", "show", device)) as { ifindex: number; address: string }[];
  return { ifindex: link?.ifindex ?? 0, mac: Buffer.from(link?.address.replaceAll(":", "") ?? "", "hex") };
};

/** A packet of a connection to the backend with this number behind hop 0 or 1. */
const packetTo = (hop: number, backend: number, more: Partial<PacketSpec> = {}): Buffer => {
  const destinationPort = FIRST_PORT + hop * BACKENDS + backend;
  return build({ source: CLIENT, sourcePort: 5000, destination: VIP, destinationPort, protocol: "tcp", ...more });
};

/** Verdict and new Ethernet destination of a frame to `eth0`'s address that comes in by a device. */
function run(frame: Buffer, device: "eth0" | "eth1" = "eth0"): { verdict: number; to: string } {
  links.eth0.mac.copy(frame, 0);
  const context = Buffer.alloc(24);
  context.writeUInt32LE(frame.length, 4);
  context.writeUInt32LE(links[device].ifindex, 12);
  const program = datapath.programs().get("node_xdp") ?? -1;
  const { verdict, packet } = world.node.inside(() => programTestRun(program, frame, context));
  const to = [...packet.subarray(0, MAC_BYTES)].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
  return { verdict, to };
}

beforeAll(() => {
  world = new World();
  world.makeWire();
  connect(world.node, "eth1", world.otherNode, "far1");
  for (const { address, mac, network: prefix } of hops) {
    neighbour(address, mac);
    world.node.ip("route", "replace", `${prefix}.0/24`, "via", address);
  }
  world.node.ip("route", "replace", `${hops[1].network}.0/24`, "via", hops[1].address, "mtu", "lock", `${SMALL_MTU}`);
  datapath = world.datapath(testSizes, { acceleration: "native" });
  datapath.configure(network);
  world.attach(datapath, ["eth0", "eth1"]);
  links = { eth0: linkOf("eth0"), eth1: linkOf("eth1") };
  for (const [hop, { network: prefix }] of hops.entries())
    for (let backend = 0; backend < BACKENDS; backend++) {
      const port = FIRST_PORT + hop * BACKENDS + backend;
      serve(datapath, { address: VIP, port, protocol: TCP }, [
        { address: `${prefix}.${1 + backend * BACKENDS_APART}`, port: 8080 },
      ]);
      // Twice, as a flow's second packet enters the direction that it goes in.
      for (let time = 0; time < 2; time++)
        expect(run(packetTo(hop, backend, { flags: "S" })).verdict).toBe(XDP_REDIRECT);
    }
});

afterAll(() => world.cleanup.run());

test("each packet leaves for the next hop of its own backend, whichever went before it", () => {
  for (let first = 0; first < BACKENDS; first++)
    for (let second = 0; second < BACKENDS; second++) {
      const way = [run(packetTo(0, first)), run(packetTo(1, second)), run(packetTo(0, first))].map(({ to }) => to);
      expect([first, second, ...way]).toEqual([first, second, hops[0].mac, hops[1].mac, hops[0].mac]);
    }
});

test("a packet too long for its road is passed on, right after a shorter one was not", () => {
  const payload = Buffer.alloc(SMALL_MTU);
  for (let backend = 0; backend < BACKENDS; backend++) {
    expect(run(packetTo(1, backend)).verdict).toBe(XDP_REDIRECT);
    expect(run(packetTo(1, backend, { payload })).verdict).toBe(XDP_PASS);
    expect(run(packetTo(0, backend, { payload })).verdict).toBe(XDP_REDIRECT);
  }
});

test("a frame by another device is not taken for one of the device before it", () => {
  for (let backend = 0; backend < BACKENDS; backend++) {
    expect(run(packetTo(0, backend)).verdict).toBe(XDP_REDIRECT);
    expect(run(packetTo(0, backend), "eth1").verdict).toBe(XDP_PASS);
  }
});

test("a neighbour that changes, and a route, are followed at once", async () => {
  const [{ address, mac }, other] = hops;
  const moved = "02:00:00:00:00:88";
  const next = () => run(packetTo(0, 1)).to;
  expect(next()).toBe(mac);
  neighbour(address, moved);
  await expect.poll(next, { interval: 1 }).toBe(moved);
  neighbour(address, mac);
  await expect.poll(next, { interval: 1 }).toBe(mac);
  world.node.ip("route", "replace", `${hops[0].network}.0/24`, "via", other.address);
  await expect.poll(next, { interval: 1 }).toBe(other.mac);
});
