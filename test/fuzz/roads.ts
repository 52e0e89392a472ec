// SPDX-License-Identifier: Apache-2.0
// Sends the same packets, damaged ones among them, by two datapaths that differ in XDP alone, and compares what comes out.
import { setImmediate } from "node:timers/promises";
import { build } from "../bpf/packet.ts";
import { PacketTable, type Ran, REDIRECT } from "../bpf/packet-table.ts";
import { CLIENT, CLIENT6, testSizes, World } from "../bpf/world.ts";
import { mountBpffs } from "../support/netns.ts";
import { furnish, soundFrames } from "./fuzzer.ts";
import { type Headers, headersOf } from "./model.ts";
import { mutate } from "./mutation.ts";
import { Random } from "./random.ts";

const TCP = 6;
const TYPE_AT = 12;
/** Of frontends whose backend is on another node. */
const FORWARDED_PORTS = [81, 30_002];
/** Packets to frontends and their answers, in turn, before all is forgotten. */
const LENGTH = 6;

export interface RoadDifference {
  readonly sequence: number;
  readonly frame: string;
  readonly tc: string;
  readonly xdp: string;
}

export interface RoadOutcome {
  readonly packets: number;
  /** Forwarded by XDP. */
  readonly accelerated: number;
  readonly differences: readonly RoadDifference[];
}

/**
 * What both roads must agree on. tc leaves the next hop's Ethernet addresses to the kernel, and at a flow's second packet it
 * chooses again, by affinity where there is one, what XDP entered at the first.
 */
function told({ verdict, packet, counted }: Ran): string {
  const { forwarded = 0, xdp_forwarded = 0, affinity_kept: _chosenAgain, ...others } = counted;
  const all = JSON.stringify({ ...others, forwarded: forwarded + xdp_forwarded });
  return `${verdict} ${all} ${packet.subarray(verdict === REDIRECT ? TYPE_AT : 0).toString("hex")}`;
}

/** A port that was drawn is another on each road, and so is all that follows. */
const drew = (frame: Buffer, { packet, counted }: Ran): boolean =>
  counted.new_service_flow !== undefined && headersOf(packet)?.sourcePort !== headersOf(frame)?.sourcePort;

/** What the one that got a packet would answer. */
function answerTo({ source, destination, sourcePort, destinationPort, protocol }: Headers, random: Random): Buffer {
  return build({
    ...{ source: destination, destination: source, sourcePort: destinationPort, destinationPort: sourcePort },
    protocol: protocol === TCP ? "tcp" : "udp",
    flags: random.pick(["SA", "A", "FA", "R"]),
  });
}

/** Stops at the tenth difference. Needs root. Lets the event loop turn now and then, so that it can be told to end. */
export async function compareRoads(
  sequences: number,
  seed: number,
  progress: (done: number) => void = () => undefined,
): Promise<RoadOutcome> {
  const random = new Random(seed);
  const world = new World();
  const differences: RoadDifference[] = [];
  let [packets, accelerated] = [0, 0];
  try {
    world.addIpv6();
    world.makeWire();
    world.meetNeighbours();
    const bpfRoot = mountBpffs(world.cleanup);
    const plain = world.datapath(testSizes, { bpfRoot });
    const fast = world.datapath(testSizes, { acceleration: "native" });
    for (const datapath of [plain, fast]) furnish(datapath);
    world.attach(fast);
    const byTc = new PacketTable(world, plain, "eth0", testSizes, "tc", bpfRoot);
    const byXdp = new PacketTable(world, fast, "eth0", testSizes, "xdp");
    const frames = soundFrames().filter((frame) => [CLIENT, CLIENT6].includes(headersOf(frame)?.source ?? ""));
    const forwarded = frames.filter((frame) => FORWARDED_PORTS.includes(headersOf(frame)?.destinationPort ?? 0));
    const any = (): Buffer => random.pick(random.below(2) === 0 ? frames : forwarded);
    const one = (sequence: number, frame: Buffer): Buffer | undefined => {
      const [tc, xdp] = [byTc, byXdp].map((table) => table.run("node_ingress", Buffer.from(frame))) as [Ran, Ran];
      packets += 1;
      if (xdp.counted.xdp_forwarded) accelerated += 1;
      if (drew(frame, tc) && drew(frame, xdp)) return undefined;
      if (told(tc) !== told(xdp))
        differences.push({ sequence, frame: frame.toString("hex"), tc: told(tc), xdp: told(xdp) });
      return tc.packet;
    };
    for (let sequence = 0; sequence < sequences && differences.length < 10; sequence++) {
      for (const table of [byTc, byXdp]) table.forget();
      let frame = any();
      for (let step = 0; step < LENGTH; step++) {
        const came = one(sequence, random.below(3) === 0 ? frame : mutate(frame, random));
        if (came === undefined) break;
        const out = headersOf(came);
        const answers = step % 2 === 0 && out !== undefined && !out.error && out.fragment === "none";
        frame = answers ? answerTo(out, random) : any();
      }
      progress(sequence + 1);
      if (sequence % 100 === 0) await setImmediate();
    }
    return { packets, accelerated, differences };
  } finally {
    world.cleanup.run();
  }
}
