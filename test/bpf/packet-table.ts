// SPDX-License-Identifier: Apache-2.0
// Runs single packets through the tc programs as if they were at our node's device: verdict, packet, what was counted.
import { join } from "node:path";
import type { CounterName } from "../../agent/maps/counters.ts";
import { defaultEntries, type MapName, mapFolders, mapShapes } from "../../agent/maps/map-table.ts";
import type { Datapath, MapSizes } from "../../agent/shell/kernel/datapath.ts";
import { HashMap } from "../../agent/shell/kernel/hash-map.ts";
import { close, openPinned, programTestRun } from "../../agent/shell/kernel/syscall.ts";
import { build, type PacketSpec } from "./packet.ts";
import { read, readDetail, type Seen, type SeenDetail } from "./seen-packet.ts";
import { testSizes, type World } from "./world.ts";

export const NEXT = -1;
export const DROP = 2;
export const REDIRECT = 7;

export type Program = "node_ingress" | "node_egress" | "pod_ingress";

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
  readonly flows: HashMap;
  readonly affinities: HashMap;
  readonly fragments: HashMap;

  constructor(world: World, datapath: Datapath, device = "eth0", sizes: Partial<MapSizes> = testSizes) {
    this.#world = world;
    this.#datapath = datapath;
    this.#link = JSON.parse(world.node.ip("-j", "link", "show", device))[0];
    this.flows = this.#open("flows", sizes);
    this.affinities = this.#open("affinities", sizes);
    this.fragments = this.#open("fragments", sizes);
  }

  #open(name: MapName, chosen: Partial<MapSizes>): HashMap {
    const sizes = { ...defaultEntries, ...chosen };
    const fd = openPinned(join(this.#world.bpfRoot, "sansproxy", mapFolders(sizes)[name], name));
    if (fd === undefined) throw new Error(`map ${name} is not pinned`);
    this.#world.cleanup.add(() => close(fd));
    return new HashMap(name, fd, mapShapes(sizes)[name]);
  }

  /** What one case did to the state must not reach the next. */
  forget(): void {
    for (const map of [this.flows, this.affinities, this.fragments])
      for (const [key] of [...map.walk()]) map.delete(key);
  }

  /** One frame through a program, and the frame that came out. */
  run(program: Program, frame: Buffer): Ran {
    const fd = this.#datapath.programs().get(program);
    if (fd === undefined) throw new Error(`no program ${program}`);
    Buffer.from(this.#link.address.replaceAll(":", ""), "hex").copy(frame, 0);
    // struct __sk_buff: only ifindex is set.
    const context = Buffer.alloc(192);
    context.writeUInt32LE(this.#link.ifindex, 40);
    const before = this.#datapath.counters();
    const { verdict, packet } = this.#world.node.inside(() => programTestRun(fd, frame, context));
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
