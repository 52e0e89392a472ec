// SPDX-License-Identifier: Apache-2.0
// Frames of a VLAN pass the device below the VLAN's own, which serves them. A bridge stands in for that one, as not every
// kernel has VLAN devices: what it took in with a tag leaves with that tag beside it, as what a VLAN device sends does.
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { Socket } from "../oracle/wire/socket.ts";
import { connect, type Netns } from "../support/netns.ts";
import { build, type PacketSpec } from "./packet.ts";
import { PacketTable } from "./packet-table.ts";
import { read } from "./seen-packet.ts";
import { CLIENT, NODE, network, OTHER_POD, POD, serve, UDP, World } from "./world.ts";

const NODE_PORT = 30_002;
const VLAN = 200;
/** A tag that says the priority alone: the frame is of no VLAN. */
const PRIORITY = 3 << 13;
const TAG_AT = 12;
const PATIENCE = { timeout: 30_000 };
/** In the key of a flow's answers. */
const CLIENT_PORT_AT = 34;
const BROADCAST = Buffer.alloc(6, 0xff);
const STATION = Buffer.from("020000000001", "hex");
const PROTOCOL_AT = 23;
let world: World;
let table: PacketTable;
/** Frames into a device at its far end, and what came out there. */
let left: Wire;
let right: Wire;

class Wire {
  readonly #socket: Socket;
  readonly #to: Buffer;

  constructor(device: string, farEnd: Netns) {
    connect(world.node, device, farEnd, device);
    world.node.ip("link", "set", device, "master", "br0");
    this.#to = Buffer.from(linkOf(world.node, device).address.replaceAll(":", ""), "hex");
    this.#socket = farEnd.inside(() => Socket.packets(linkOf(farEnd, device).ifindex));
    world.cleanup.add(() => this.#socket.close());
  }

  send(spec: PacketSpec, tag: number | undefined, to = this.#to): void {
    const frame = build(spec);
    to.copy(frame);
    STATION.copy(frame, STATION.length);
    const bytes = tag === undefined ? [] : [0x81, 0x00, tag >> 8, tag & 0xff];
    const sent = this.#socket.send(
      Buffer.concat([frame.subarray(0, TAG_AT), Buffer.from(bytes), frame.subarray(TAG_AT)]),
    );
    if (sent < 0) throw new Error(`sending a frame: errno ${-sent}`);
  }

  /** Where the next datagram of IPv4 came from. */
  async sees(): Promise<string> {
    return vi.waitFor(() => {
      for (let frame = this.#socket.receive(); frame !== undefined; frame = this.#socket.receive())
        if (frame.readUInt16BE(TAG_AT) === 0x0800 && frame.readUInt8(PROTOCOL_AT) === UDP) return read(frame).from;
      throw new Error("nothing came");
    }, PATIENCE);
  }
}

const linkOf = (netns: Netns, device: string): { ifindex: number; address: string } =>
  JSON.parse(netns.ip("-j", "link", "show", device))[0];

beforeAll(() => {
  world = new World();
  world.meetNeighbours();
  world.node.ip("link", "add", "br0", "type", "bridge");
  world.node.ip("link", "set", "br0", "up");
  left = new Wire("left", world.client);
  right = new Wire("right", world.otherNode);
  const datapath = world.datapath();
  datapath.configure(network);
  world.attach(datapath, ["eth0", "right"]);
  serve(datapath, { address: "*4", port: NODE_PORT, protocol: UDP }, [{ address: OTHER_POD, port: 8080 }]);
  table = new PacketTable(world, datapath);
});
beforeEach(() => table.forget());
afterAll(() => world.cleanup.run());

const datagram = (source: string, sourcePort: number): PacketSpec => ({
  ...{ protocol: "udp", source, sourcePort, destination: CLIENT, destinationPort: 9000 },
});

describe("what leaves by a device", () => {
  const leaves = (spec: PacketSpec, tag?: number): Promise<string> => {
    left.send(spec, tag, BROADCAST);
    return right.sees();
  };

  test("is masqueraded where it is of no VLAN, and goes as it came where it is of one", async () => {
    expect(await leaves(datagram(POD, 21_000), VLAN)).toBe(`${POD}:21000`);
    expect(await leaves(datagram(POD, 21_000))).toBe(`${NODE}:21000`);
    expect(await leaves(datagram(POD, 21_001), PRIORITY)).toBe(`${NODE}:21001`);
  });

  test("has the source that it was given at the VLAN's device", async () => {
    expect(await leaves(datagram(POD, 21_000))).toBe(`${NODE}:21000`);
    expect(await leaves(datagram(NODE, 21_000), VLAN)).toBe(`${NODE}:21000`);
    // The host's own, at the same device, has to give way.
    expect(await leaves(datagram(NODE, 21_000))).not.toBe(`${NODE}:21000`);
  });
});

test("what comes in by a device is served there unless it is of a VLAN", async () => {
  const asks = (sourcePort: number): PacketSpec => ({
    ...datagram(CLIENT, sourcePort),
    ...{ destination: NODE, destinationPort: NODE_PORT },
  });
  const clients = () => [...table.flows.walk()].map(([key]) => key.readUInt16BE(CLIENT_PORT_AT)).sort();
  right.send(asks(22_000), VLAN);
  right.send(asks(22_001), PRIORITY);
  right.send(asks(22_002), undefined);
  await vi.waitFor(() => expect(clients()).toEqual([22_001, 22_002]), PATIENCE);
});
