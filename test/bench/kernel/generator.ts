// SPDX-License-Identifier: Apache-2.0
// Sends TCP frames of many flows from a client's device as XDP live frames, and counts at the far end what arrives there.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BpfObject } from "../../../agent/shell/kernel/libbpf.ts";
import { close, linkCreate, mapLookup, mapUpdate } from "../../../agent/shell/kernel/syscall.ts";
import { build } from "../../bpf/packet.ts";
import type { Cleanup, Netns } from "../../support/netns.ts";
import { onOneCpu } from "../../support/this-thread.ts";
import { addressNumber } from "../world/cluster-objects.ts";
import { testRuns } from "./bpf-call.ts";

const XDP = 37;
const LIVE_FRAMES = 2;
const HEADER_BYTES = 54;
const GENERATE_BYTES = 72;
const WINDOW_AT = 48;
const IP_CHECKSUM_AT = 24;
const TCP_CHECKSUM_AT = 50;
const MARKED_WINDOW = 0x5350;
const KEY = Buffer.alloc(4);
/** The last packets may be on their way for a moment after they were sent. */
const PATIENCE_MS = 1_000;
const PAUSE = new Int32Array(new SharedArrayBuffer(4));

export interface Burst {
  readonly destination: string;
  readonly port: number;
  /** `S` begins connections, `A` goes on with them. */
  readonly flags: "S" | "A";
  readonly client: string;
  readonly flows: number;
  /** The first flow. */
  readonly from: number;
  readonly packets: number;
}

export interface Sent {
  readonly arrived: number;
  /** For each packet sent, by the kernel's own clock, which stands while another task has the CPU. */
  readonly meanNs: number;
}

interface Link {
  readonly ifindex: number;
  readonly address: string;
}

const linkOf = (netns: Netns, device: string): Link => {
  const [link] = JSON.parse(netns.ip("-j", "link", "show", device)) as Link[];
  if (link === undefined) throw new Error(`${netns.name} has no device ${device}`);
  return link;
};

const macBytes = ({ address }: Link): Buffer => Buffer.from(address.replaceAll(":", ""), "hex");

/** How many CPUs a per-CPU map has values for. */
const possibleCpus = (): number =>
  Number(/(\d+)\s*$/.exec(readFileSync("/sys/devices/system/cpu/possible", "utf8"))?.[1]) + 1;

export class Generator {
  readonly #object: BpfObject;
  readonly #client: Netns;
  readonly #device: Link;
  readonly #gateway: Link;

  /** From `client`'s eth0 to the eth0 of `node` behind it; the sink is at `sinkDevice` of `sink`. */
  constructor(objectsDir: string, client: Netns, node: Netns, sink: Netns, sinkDevice: string, cleanup: Cleanup) {
    this.#client = client;
    this.#device = linkOf(client, "eth0");
    this.#gateway = linkOf(node, "eth0");
    this.#object = new BpfObject(join(objectsDir, "generate.bpf.o"));
    cleanup.add(() => this.#object.close());
    this.#object.load();
    const { ifindex } = linkOf(sink, sinkDevice);
    const link = sink.inside(() => linkCreate(`the sink to ${sinkDevice}`, this.#program("count_frame"), ifindex, XDP));
    cleanup.add(() => close(link));
  }

  #program(name: string): number {
    const fd = this.#object.programs().get(name);
    if (fd === undefined) throw new Error(`generate.bpf.o has no program ${name}`);
    return fd;
  }

  #arrived(): number {
    const cpus = possibleCpus();
    const values = Buffer.alloc(cpus * 8);
    mapLookup("arrived", this.#object.mapFd("arrived"), KEY, values);
    return Array.from({ length: cpus }, (_, cpu) => Number(values.readBigUInt64LE(cpu * 8))).reduce((a, b) => a + b, 0);
  }

  /** Headers whose checksums lack the source only. */
  #template({ destination, port, flags }: Burst): Buffer {
    const spec = { protocol: "tcp", source: "0.0.0.0", destination, destinationPort: port, payload: "" } as const;
    const frame = build({ ...spec, flags });
    macBytes(this.#gateway).copy(frame, 0);
    macBytes(this.#device).copy(frame, 6);
    const before = frame.readUInt16BE(WINDOW_AT);
    frame.writeUInt16BE(MARKED_WINDOW, WINDOW_AT);
    const sum = (~frame.readUInt16BE(TCP_CHECKSUM_AT) & 0xffff) + MARKED_WINDOW - before;
    frame.writeUInt16BE(~((sum & 0xffff) + (sum >>> 16)) & 0xffff, TCP_CHECKSUM_AT);
    if (frame.length !== HEADER_BYTES || frame.readUInt16BE(IP_CHECKSUM_AT) === 0)
      throw new Error("not the frame expected");
    return frame;
  }

  /**
   * Sends a burst on one CPU, which also does all the work on the way. On two, a device's work can be left to the one that
   * the thread has come from, which something else keeps busy: then the ring before the device is full, and packets are lost.
   */
  send(burst: Burst): Sent {
    const { client, flows, from, packets } = burst;
    const template = this.#template(burst);
    const value = Buffer.alloc(GENERATE_BYTES);
    template.copy(value, 0);
    for (const [at, word] of [this.#device.ifindex, flows, from, addressNumber(client)].entries())
      value.writeUInt32LE(word >>> 0, 56 + at * 4);
    mapUpdate("generates", this.#object.mapFd("generates"), KEY, value);
    const before = this.#arrived();
    const program = this.#program("generate_frame");
    const runs = { program, packet: template, repeat: packets, flags: LIVE_FRAMES, batch: 64 };
    const { meanNs } = onOneCpu(() => this.#client.inside(() => testRuns(runs)));
    const arrived = (): number => this.#arrived() - before;
    for (const deadline = performance.now() + PATIENCE_MS; arrived() < packets && performance.now() < deadline; )
      Atomics.wait(PAUSE, 0, 0, 1);
    return { arrived: arrived(), meanNs };
  }
}
