// SPDX-License-Identifier: Apache-2.0
// Drives a program of the datapath with packets of many flows (drive.bpf.c), and times it net of a program that does nothing.
import { join } from "node:path";
import { defaultEntries, type MapName, mapFolders, mapShapes } from "../../../agent/maps/map-table.ts";
import type { MapSizes } from "../../../agent/shell/kernel/datapath.ts";
import { BpfObject } from "../../../agent/shell/kernel/libbpf.ts";
import { close, mapUpdate, openPinned } from "../../../agent/shell/kernel/syscall.ts";
import { build } from "../../bpf/packet.ts";
import type { Cleanup, Netns } from "../../support/netns.ts";
import { testRuns } from "./bpf-call.ts";

/** Which flows the packets belong to; addresses and ports in host order. */
export interface Drive {
  /** Flow f belongs to Service f modulo this. */
  readonly services: number;
  readonly flows: number;
  readonly order: "random" | "ascending";
  /** The first flow, when they ascend. */
  readonly from?: number;
  /** Frontend of Service s: `address + s * addressStep`, `port + s * portStep`. */
  readonly address: number;
  readonly addressStep: number;
  readonly port: number;
  readonly portStep: number;
  readonly client: number;
  /** From the frontend's address to the client, as answers go. */
  readonly reverse?: boolean;
  /** The packets are the first ones of TCP connections. */
  readonly begins?: boolean;
}

/** Which programs are driven: tc's or XDP's. */
export type Road = "tc" | "xdp";

const DRIVE_BYTES = 48;
const FLAGS_AT = 40;
const MAC_AT = 42;
const SYN = 2;
const ACK = 16;
const KEY = Buffer.alloc(4);
const contexts = {
  tc: { bytes: 192, ifindexAt: 40 },
  /** Which also says where the frame ends. */
  xdp: { bytes: 24, ifindexAt: 12, endAt: 4 },
};
const drives = {
  tc: { drive: "drive_packet", nothing: "drive_null", driven: "driven" },
  xdp: { drive: "drive_frame", nothing: "drive_null_xdp", driven: "driven_xdp" },
} as const;

function encoded(drive: Drive, mac: Buffer): Buffer {
  const bytes = Buffer.alloc(DRIVE_BYTES);
  const order = drive.order === "ascending" ? 1 : 0;
  const { services, flows, from = 0, address, addressStep, port, portStep, client, reverse = false } = drive;
  const words = [services, flows, order, from, address, addressStep, port, portStep, client, reverse ? 1 : 0];
  for (const [at, word] of words.entries()) bytes.writeUInt32LE(word >>> 0, at * 4);
  bytes.writeUInt16LE(drive.begins === true ? SYN : ACK, FLAGS_AT);
  mac.copy(bytes, MAC_AT);
  return bytes;
}

export class Driver {
  readonly #netns: Netns;
  readonly #object: BpfObject;
  readonly #packet: Buffer;
  readonly #mac: Buffer;
  readonly #contexts: Readonly<Record<Road, Buffer>>;

  /** `device` of the namespace is where the packets seem to come in. */
  constructor(
    objectsDir: string,
    bpfRoot: string,
    sizes: Partial<MapSizes>,
    netns: Netns,
    device: string,
    cleanup: Cleanup,
  ) {
    this.#netns = netns;
    const all = { ...defaultEntries, ...sizes };
    this.#object = new BpfObject(join(objectsDir, "drive.bpf.o"));
    cleanup.add(() => this.#object.close());
    for (const name of Object.keys(mapShapes(all)) as MapName[]) {
      const fd = openPinned(join(bpfRoot, "sansproxy", mapFolders(all)[name], name));
      if (fd === undefined) throw new Error(`map ${name} is not pinned: make the datapath first`);
      this.#object.reuseMap(name, fd);
      close(fd);
    }
    this.#object.load();
    const [link] = JSON.parse(netns.ip("-j", "link", "show", device)) as { ifindex: number; address: string }[];
    if (link === undefined) throw new Error(`${netns.name} has no device ${device}`);
    const packet = build({ protocol: "tcp", source: "0.0.0.1", destination: "0.0.0.2", flags: "A", payload: "" });
    // A packet too short for all headers would be refused: Ethernet pads to 60 bytes anyway.
    this.#packet = Buffer.concat([packet, Buffer.alloc(Math.max(0, 60 - packet.length))]);
    this.#mac = Buffer.from(link.address.replaceAll(":", ""), "hex");
    this.#mac.copy(this.#packet, 0);
    const context = (road: Road): Buffer => {
      const bytes = Buffer.alloc(contexts[road].bytes);
      bytes.writeUInt32LE(link.ifindex, contexts[road].ifindexAt);
      return bytes;
    };
    this.#contexts = { tc: context("tc"), xdp: context("xdp") };
    this.#contexts.xdp.writeUInt32LE(this.#packet.length, contexts.xdp.endAt);
  }

  #program(name: string): number {
    const fd = this.#object.programs().get(name);
    if (fd === undefined) throw new Error(`drive.bpf.o has no program ${name}`);
    return fd;
  }

  /** Mean nanoseconds of `program` over `repeat` packets, with the driving itself. */
  packets(
    program: number | "nothing",
    drive: Drive,
    repeat: number,
    road: Road = "tc",
  ): { readonly meanNs: number; readonly verdict: number } {
    const { drive: name, nothing, driven } = drives[road];
    const target = Buffer.alloc(4);
    target.writeInt32LE(program === "nothing" ? this.#program(nothing) : program, 0);
    mapUpdate(driven, this.#object.mapFd(driven), KEY, target);
    return this.run(name, drive, repeat, road);
  }

  /** The same of a program of drive.bpf.c itself. */
  run(
    name: "look_up" | "look_up_choose" | "look_up_null" | (typeof drives)[Road]["drive"],
    drive: Drive,
    repeat: number,
    road: Road = "tc",
  ): { readonly meanNs: number; readonly verdict: number } {
    mapUpdate("drives", this.#object.mapFd("drives"), KEY, encoded(drive, this.#mac));
    const runs = { program: this.#program(name), packet: this.#packet, context: this.#contexts[road], repeat };
    return this.#netns.inside(() => testRuns(runs));
  }
}
