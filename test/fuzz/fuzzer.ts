// SPDX-License-Identifier: Apache-2.0
// Runs damaged packets through every tc program in a small world, and compares each verdict with the model's.
import type { Datapath } from "../../agent/shell/kernel/datapath.ts";
import { programTestRun } from "../../agent/shell/kernel/syscall.ts";
import { build, type PacketSpec, read } from "../bpf/packet.ts";
import { PacketTable } from "../bpf/packet-table.ts";
import { CLIENT, NODE, network, OTHER_NODE, OTHER_POD, POD, serve, TCP, UDP, World } from "../bpf/world.ts";
import { type Allowed, allowed, type Destiny, DROP, type FuzzedWorld, type Hook, headersOf } from "./model.ts";
import { mutate } from "./mutation.ts";
import { Random } from "./random.ts";

const VIP = "192.0.2.50";
/** Packets come in from outside or from a pod; each side begins without flows, as one address cannot be on both. */
const SIDES: readonly (readonly Hook[])[] = [
  ["node_ingress", "node_egress"],
  ["pod_ingress", "node_egress"],
];
/** Packets between two changes of the side. */
const BATCH = 10_000;
const ETHERNET = 14;

const ports: readonly (readonly [number, Destiny])[] = [
  [80, "here"],
  [81, "elsewhere"],
  [82, "refused"],
  [83, "dropped"],
  [84, "ranges"],
  [85, "cluster"],
];

export interface Difference {
  readonly number: number;
  readonly hook: Hook;
  readonly frame: string;
  readonly out: string;
  readonly verdict: number;
  readonly allowed: Allowed;
  readonly what: string;
}

export interface Outcome {
  readonly packets: number;
  /** How often each reason met each verdict. */
  readonly counts: ReadonlyMap<string, number>;
  readonly differences: readonly Difference[];
}

function furnish(datapath: Datapath): FuzzedWorld {
  const frontends = new Map<string, Destiny>();
  datapath.configure(network);
  const here = [{ address: POD, port: 8080 }];
  const there = [{ address: OTHER_POD, port: 8080 }];
  for (const protocol of [TCP, UDP]) {
    const at = (port: number) => ({ address: VIP, port, protocol });
    serve(datapath, at(80), here);
    serve(datapath, at(81), there);
    serve(datapath, at(82), []);
    serve(datapath, { ...at(83), noEndpoint: "drop" }, []);
    serve(datapath, { ...at(84), ranges: ["10.77.0.0/31"], affinitySeconds: 60 }, here);
    serve(datapath, { ...at(85), scope: "cluster" }, there);
    serve(datapath, { address: "*4", port: 30_001, protocol }, here);
    serve(datapath, { address: "*4", port: 30_002, protocol }, there);
    for (const [port, destiny] of ports) frontends.set(`${protocol}/${VIP}/${port}`, destiny);
    frontends.set(`${protocol}/${NODE}/30001`, "here");
    frontends.set(`${protocol}/${NODE}/30002`, "elsewhere");
    // At another node's address only pods are served here.
    for (const port of [30_001, 30_002]) frontends.set(`${protocol}/${OTHER_NODE}/${port}`, "cluster");
  }
  return { frontends, ours: new Set([NODE, VIP, OTHER_POD]), isPod: (address) => address.startsWith("10.244.1.") };
}

/** Sound frames that mutation begins with: each kind of destination, answer and error. */
function soundFrames(): Buffer[] {
  const destinations: [string, number][] = [...ports.map(([port]): [string, number] => [VIP, port])];
  destinations.push([NODE, 30_001], [NODE, 30_002], [NODE, 22], [CLIENT, 443], [POD, 8080], ["203.0.113.9", 53]);
  const specs: PacketSpec[] = [];
  for (const [destination, destinationPort] of destinations) {
    for (const source of [CLIENT, POD, OTHER_POD]) {
      const ends = { source, destination, sourcePort: 5000, destinationPort };
      for (const flags of ["S", "A", "F", "R"]) specs.push({ ...ends, protocol: "tcp", flags });
      specs.push({ ...ends, protocol: "udp" }, { ...ends, protocol: "udp", optionWords: 2, noChecksum: true });
      specs.push({ source, destination, protocol: "icmp", sourcePort: 7 });
    }
  }
  for (const protocol of ["tcp", "udp"] as const) {
    specs.push({ source: POD, sourcePort: 8080, destination: CLIENT, destinationPort: 5000, protocol, flags: "SA" });
    specs.push({
      source: OTHER_POD,
      sourcePort: 8080,
      destination: NODE,
      destinationPort: 5000,
      protocol,
      flags: "SA",
    });
  }
  const sent: PacketSpec = {
    source: NODE,
    sourcePort: 5000,
    destination: OTHER_POD,
    destinationPort: 8080,
    protocol: "tcp",
  };
  for (const type of [3, 11, 12]) {
    const payload = build(sent).subarray(ETHERNET);
    specs.push({
      source: OTHER_POD,
      destination: NODE,
      protocol: "icmp",
      error: { type, code: 4, mtu: 1400 },
      payload,
    });
  }
  return specs.map((spec) => build(spec));
}

/** Whether a frame's length and checksums are as a sound sender would have them. */
function isSound(frame: Buffer): boolean {
  const headers = headersOf(frame);
  if (headers === undefined) return false;
  const size = (frame.readUInt8(ETHERNET) & 15) * 4;
  if (frame.readUInt16BE(ETHERNET + 2) !== frame.length - ETHERNET) return false;
  if (headers.protocol === TCP && frame.length < ETHERNET + size + 20) return false;
  if (frame.length < ETHERNET + size + 8) return false;
  return read(frame).checksums !== "wrong";
}

function judge(rule: Allowed, frame: Buffer, verdict: number, out: Buffer): string | undefined {
  if (!rule.verdicts.includes(verdict)) return `verdict ${verdict} where the model allows ${rule.verdicts.join(", ")}`;
  if (verdict === DROP) return undefined;
  if (rule.intact && !frame.equals(out)) return "a packet that is not translated was changed";
  if (!rule.intact && isSound(frame) && !isSound(out)) return "a sound packet left with a wrong length or checksum";
  return undefined;
}

/** Stops at the tenth difference. Needs root. */
export function fuzz(packets: number, seed: number, progress: (done: number) => void = () => undefined): Outcome {
  const random = new Random(seed);
  const counts = new Map<string, number>();
  const differences: Difference[] = [];
  const world = new World();
  try {
    const datapath = world.datapath();
    const model = furnish(datapath);
    const programs = datapath.programs();
    const link = JSON.parse(world.node.ip("-j", "link", "show", "eth0"))[0];
    const mac = Buffer.from(link.address.replaceAll(":", ""), "hex");
    const context = Buffer.alloc(192);
    context.writeUInt32LE(link.ifindex, 40);
    const frames = soundFrames();
    const table = new PacketTable(world, datapath);
    const one = (number: number, hooks: readonly Hook[]): void => {
      const frame = mutate(random.pick(frames), random);
      mac.copy(frame, 0);
      const hook = random.pick(hooks);
      const program = programs.get(hook);
      if (program === undefined) throw new Error(`there is no program ${hook}`);
      const { verdict, packet } = programTestRun(program, frame, context);
      const rule = allowed(model, hook, frame);
      const key = `${hook}: ${rule.why}: ${verdict}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
      const what = judge(rule, frame, verdict, packet);
      if (what === undefined) return;
      const bytes = { frame: frame.toString("hex"), out: packet.toString("hex") };
      differences.push({ number, hook, ...bytes, verdict, allowed: rule, what });
    };
    let done = 0;
    while (done < packets && differences.length < 10) {
      const end = Math.min(packets, done + BATCH);
      const hooks = SIDES[(done / BATCH) % SIDES.length] ?? [];
      table.forget();
      world.node.inside(() => {
        for (; done < end; done++) one(done, hooks);
      });
      progress(done);
    }
    return { packets: done, counts, differences };
  } finally {
    world.cleanup.run();
  }
}
