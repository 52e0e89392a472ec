// SPDX-License-Identifier: Apache-2.0
// Runs single packets through the programs as if they were at our node's device: verdict, packet, what was counted.
import { join } from "node:path";
import type { CounterName } from "../../agent/maps/counters.ts";
import { defaultEntries, type MapName, type MapShape, mapFolders, mapShapes } from "../../agent/maps/map-table.ts";
import type { Datapath, MapSizes } from "../../agent/shell/kernel/datapath.ts";
import { HashMap } from "../../agent/shell/kernel/hash-map.ts";
import { MappedArray } from "../../agent/shell/kernel/mapped-array.ts";
import { close, openPinned, programTestRun, type TestRun } from "../../agent/shell/kernel/syscall.ts";
import { forgetFlows } from "../support/forget-flows.ts";
import { build, type PacketSpec } from "./packet.ts";
import { read, readDetail, type Seen, type SeenDetail } from "./seen-packet.ts";
import { testSizes, type World } from "./world.ts";

export const NEXT = -1;
export const DROP = 2;
export const REDIRECT = 7;

export type Program = "node_ingress" | "node_egress" | "pod_ingress" | "sctp_from_pod" | "sctp_egress" | "sctp_to_host";

/** Which programs packets from outside meet first; what XDP passes on meets tc's. */
export type Road = "tc" | "xdp";

const XDP_DROP = 1;
const XDP_PASS = 2;

/** In tc's words, whichever program it was. */
export interface Ran {
  readonly verdict: number;
  readonly counted: Partial<Record<CounterName, number>>;
  readonly packet: Buffer;
}

export interface Outcome extends Seen, Omit<Ran, "packet"> {}

export class PacketTable {
  readonly #world: World;
  readonly #datapath: Datapath;
  readonly #link: { readonly ifindex: number; readonly address: string };
  readonly #bpfRoot: string;
  readonly #road: Road;
  readonly #turns: MappedArray;
  readonly flows: HashMap;
  readonly affinities: HashMap;
  readonly fragments: HashMap;

  /** The road `xdp` needs the datapath to be attached to the device, in its driver. */
  constructor(
    world: World,
    datapath: Datapath,
    device = "eth0",
    sizes: Partial<MapSizes> = testSizes,
    road: Road = "tc",
    bpfRoot = world.bpfRoot,
  ) {
    this.#world = world;
    this.#datapath = datapath;
    this.#road = road;
    this.#bpfRoot = bpfRoot;
    this.#link = JSON.parse(world.node.ip("-j", "link", "show", device))[0];
    this.flows = this.#open("flows", sizes);
    this.affinities = this.#open("affinities", sizes);
    this.fragments = this.#open("fragments", sizes);
    this.#turns = new MappedArray("flow_turns", ...this.#pinned("flow_turns", sizes));
  }

  #open(name: MapName, chosen: Partial<MapSizes>): HashMap {
    return new HashMap(name, ...this.#pinned(name, chosen));
  }

  #pinned(name: MapName, chosen: Partial<MapSizes>): [fd: number, shape: MapShape] {
    const sizes = { ...defaultEntries, ...chosen };
    const fd = openPinned(join(this.#bpfRoot, "sansproxy", mapFolders(sizes)[name], name));
    if (fd === undefined) throw new Error(`map ${name} is not pinned`);
    this.#world.cleanup.add(() => close(fd));
    return [fd, mapShapes(sizes)[name]];
  }

  /** What one case did to the state must not reach the next. */
  forget(): void {
    forgetFlows(this.flows, this.#turns);
    for (const map of [this.affinities, this.fragments]) for (const [key] of [...map.walk()]) map.delete(key);
  }

  #program(name: string): number {
    const fd = this.#datapath.programs().get(name);
    if (fd === undefined) throw new Error(`no program ${name}`);
    return fd;
  }

  #byTc(name: Program, frame: Buffer, cameBy: number): TestRun {
    // struct __sk_buff: only ingress_ifindex and ifindex are set.
    const context = Buffer.alloc(192);
    context.writeUInt32LE(cameBy, 36);
    context.writeUInt32LE(this.#link.ifindex, 40);
    return programTestRun(this.#program(name), frame, context);
  }

  #byXdp(frame: Buffer): TestRun {
    // struct xdp_md: where the frame ends, and the device.
    const context = Buffer.alloc(24);
    context.writeUInt32LE(frame.length, 4);
    context.writeUInt32LE(this.#link.ifindex, 12);
    const { verdict, packet } = programTestRun(this.#program("node_xdp"), frame, context);
    if (verdict === XDP_PASS && !packet.equals(frame)) throw new Error("XDP changed a frame that it passed on");
    if (verdict === XDP_PASS) return this.#byTc("node_ingress", frame, 0);
    return { verdict: verdict === XDP_DROP ? DROP : REDIRECT, packet };
  }

  /**
   * One frame through a program, or both of a road from outside, and the frame that came out. `cameBy` is the device that it
   * came into the node by; 0 for none.
   */
  run(program: Program, frame: Buffer, cameBy = 0): Ran {
    Buffer.from(this.#link.address.replaceAll(":", ""), "hex").copy(frame, 0);
    const before = this.#datapath.counters();
    const byXdp = this.#road === "xdp" && program === "node_ingress";
    const { verdict, packet } = this.#world.node.inside(() =>
      byXdp ? this.#byXdp(frame) : this.#byTc(program, frame, cameBy),
    );
    const counted = Object.fromEntries(
      Object.entries(this.#datapath.counters())
        .map(([name, value]) => [name, Number(value - (before[name] ?? 0n))] as const)
        .filter(([, value]) => value !== 0),
    );
    return { verdict, counted, packet };
  }

  #run(program: Program, spec: PacketSpec | Buffer): { outcome: Outcome; packet: Buffer } {
    const { packet, ...ran } = this.run(program, Buffer.isBuffer(spec) ? spec : build(spec));
    return { outcome: { ...ran, ...read(packet) }, packet };
  }

  ingress(spec: PacketSpec | Buffer): Outcome {
    return this.#run("node_ingress", spec).outcome;
  }

  egress(spec: PacketSpec | Buffer): Outcome {
    return this.#run("node_egress", spec).outcome;
  }

  /** At the host's end of a pod's device. */
  pod(spec: PacketSpec | Buffer): Outcome {
    return this.#run("pod_ingress", spec).outcome;
  }

  /** The same of a pod whose sockets are translated. */
  sctpFromPod(spec: PacketSpec | Buffer): Outcome {
    return this.#run("sctp_from_pod", spec).outcome;
  }

  sctpEgress(spec: PacketSpec | Buffer): Outcome {
    return this.#run("sctp_egress", spec).outcome;
  }

  /** At the loopback device, on the way in. */
  sctpToHost(spec: PacketSpec | Buffer): Outcome {
    return this.#run("sctp_to_host", spec).outcome;
  }

  /** With what a TCP header or an ICMP error says in addition. */
  ingressDetail(spec: PacketSpec | Buffer): Outcome & SeenDetail {
    const { outcome, packet } = this.#run("node_ingress", spec);
    return { ...outcome, ...readDetail(packet) };
  }

  egressDetail(spec: PacketSpec | Buffer): Outcome & SeenDetail {
    const { outcome, packet } = this.#run("node_egress", spec);
    return { ...outcome, ...readDetail(packet) };
  }
}
