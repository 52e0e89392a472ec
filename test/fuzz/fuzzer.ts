// SPDX-License-Identifier: Apache-2.0
// Runs damaged packets through every tc program in a small world, and compares each verdict with the model's.
import { setImmediate } from "node:timers/promises";
import type { Datapath } from "../../agent/shell/kernel/datapath.ts";
import { programTestRun } from "../../agent/shell/kernel/syscall.ts";
import { sum } from "../bpf/checksum.ts";
import { IPV4, IPV6 } from "../bpf/fixtures/families.ts";
import { fragmentsOf } from "../bpf/fragments.ts";
import { build, type PacketSpec } from "../bpf/packet.ts";
import { PacketTable } from "../bpf/packet-table.ts";
import { read } from "../bpf/seen-packet.ts";
import { dualNetwork, SCTP, serve, TCP, UDP, World } from "../bpf/world.ts";
import { isIn } from "../oracle/wire/address.ts";
import { type Allowed, allowed, type Destiny, DROP, type FuzzedWorld, type Hook, headersOf } from "./model.ts";
import { mutate } from "./mutation.ts";
import { Random } from "./random.ts";

const families = [
  // `range`: clients of the frontend with source ranges.
  { ...IPV4, vip: "192.0.2.50", range: "10.77.0.0/31", errors: [3, 11, 12] },
  { ...IPV6, vip: "fd00::50", range: "fd77::/127", errors: [1, 2, 3, 4] },
];
type Family = (typeof families)[number];
/** Packets come in from outside or from a pod; each side begins without flows, as one address cannot be on both. */
const SIDES: readonly (readonly Hook[])[] = [
  ["node_ingress", "node_egress"],
  ["pod_ingress", "node_egress"],
  ["sctp_from_pod", "sctp_egress"],
  ["sctp_egress", "sctp_to_host"],
];
/** Packets between two changes of the side. */
const BATCH = 10_000;
const ETHERNET = 14;
const chunks = ["init", "data", "abort"] as const;

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

/** Serves each kind of frontend, and says what the model has to know of them. */
export function furnish(datapath: Datapath): FuzzedWorld {
  const frontends = new Map<string, Destiny>();
  datapath.configure({ ...dualNetwork, dsr: true });
  for (const { wildcard, node, otherNode, pod, otherPod, vip, range } of families) {
    const here = [{ address: pod, port: 8080 }];
    const there = [{ address: otherPod, port: 8080 }];
    for (const protocol of [TCP, UDP, SCTP]) {
      const at = (port: number) => ({ address: vip, port, protocol });
      serve(datapath, at(80), here);
      serve(datapath, at(81), there);
      serve(datapath, at(82), []);
      serve(datapath, { ...at(83), noEndpoint: "drop" }, []);
      serve(datapath, { ...at(84), ranges: [range], affinitySeconds: 60 }, here);
      serve(datapath, { ...at(85), scope: "cluster" }, there);
      serve(datapath, { address: wildcard, port: 30_001, protocol }, here);
      serve(datapath, { address: wildcard, port: 30_002, protocol }, there);
      serve(datapath, { address: wildcard, port: 30_003, protocol, algorithm: "maglev", dsr: true }, there);
      for (const [port, destiny] of ports) frontends.set(`${protocol}/${vip}/${port}`, destiny);
      frontends.set(`${protocol}/${node}/30001`, "here");
      frontends.set(`${protocol}/${node}/30002`, "elsewhere");
      for (const address of [node, otherNode]) frontends.set(`${protocol}/${address}/30003`, "elsewhere");
      // At another node's address only pods are served here.
      for (const port of [30_001, 30_002]) frontends.set(`${protocol}/${otherNode}/${port}`, "cluster");
    }
  }
  return {
    frontends,
    own: new Set(families.map(({ node }) => node)),
    ours: new Set(families.flatMap(({ node, vip, otherPod }) => [node, vip, otherPod])),
    isPod: (address) => dualNetwork.podCidrs.some((cidr) => isIn(address, cidr)),
  };
}

/** Sound packets of one family: each kind of destination, answer and error. */
function soundPackets(family: Family): PacketSpec[] {
  const { client, node, otherNode, pod, otherPod, vip, elsewhere } = family;
  const destinations: [string, number][] = [...ports.map(([port]): [string, number] => [vip, port])];
  destinations.push(
    [node, 30_001],
    [node, 30_002],
    [node, 30_003],
    [otherNode, 30_003],
    [node, 22],
    [client, 443],
    [pod, 8080],
    [elsewhere, 53],
  );
  const specs: PacketSpec[] = [];
  for (const [destination, destinationPort] of destinations) {
    for (const source of [client, pod, otherPod]) {
      const ends = { source, destination, sourcePort: 5000, destinationPort };
      for (const flags of ["S", "A", "F", "R"]) specs.push({ ...ends, protocol: "tcp", flags });
      for (const chunk of chunks) specs.push({ ...ends, protocol: "sctp", chunk, payload: "sixteen bytes ok" });
      specs.push({ ...ends, protocol: "udp" }, { ...ends, protocol: "udp", optionWords: 2, noChecksum: true });
      specs.push({ source, destination, protocol: "icmp", sourcePort: 7 });
    }
    for (const chunk of chunks) {
      const ends = { source: node, destination, sourcePort: 5000, destinationPort };
      specs.push({ ...ends, protocol: "sctp", chunk, payload: "sixteen bytes ok" });
    }
  }
  // To the node itself, too.
  for (const source of [pod, otherPod]) {
    const ends = { source, destination: node, sourcePort: 8080, destinationPort: 5000 };
    for (const chunk of chunks) specs.push({ ...ends, protocol: "sctp", chunk });
  }
  for (const protocol of ["tcp", "udp", "sctp"] as const) {
    const answer = { sourcePort: 8080, destinationPort: 5000, protocol, flags: "SA" };
    specs.push({ ...answer, source: pod, destination: client }, { ...answer, source: otherPod, destination: node });
  }
  const sent = build({ source: node, sourcePort: 5000, destination: otherPod, destinationPort: 8080, protocol: "tcp" });
  for (const type of family.errors) {
    const error = { type, code: 4, mtu: 1400 };
    specs.push({ source: otherPod, destination: node, protocol: "icmp", error, payload: sent.subarray(ETHERNET) });
  }
  return specs;
}

/** The frames that mutation begins with; datagrams also in fragments, which damage may well leave alone. */
export function soundFrames(): Buffer[] {
  const specs = families.flatMap(soundPackets);
  const pieces = specs
    .filter(({ protocol }) => protocol === "udp")
    .flatMap((spec) => fragmentsOf(build({ ...spec, payload: "f".repeat(40) }), 32));
  return [...specs.map((spec) => build(spec)), ...pieces];
}

/** Whether a frame's length and checksums are as a sound sender would have them; of a fragment, the IP header's. */
function isSound(frame: Buffer): boolean {
  const headers = headersOf(frame);
  if (headers === undefined) return false;
  const { v6, protocol, fragment, l4 } = headers;
  const said = v6 ? ETHERNET + 40 + frame.readUInt16BE(ETHERNET + 4) : ETHERNET + frame.readUInt16BE(ETHERNET + 2);
  if (said !== frame.length) return false;
  if (fragment !== "none") return v6 || sum(frame.subarray(ETHERNET, l4)) === 0xffff;
  if (frame.length < l4 + (protocol === TCP ? 20 : protocol === SCTP ? 16 : 8)) return false;
  return read(frame).checksums !== "wrong";
}

/** Whether it is whole, sound, and may come a hop further. */
const mayGoOn = (frame: Buffer): boolean =>
  isSound(frame) &&
  headersOf(frame)?.fragment === "none" &&
  frame.readUInt8(frame.readUInt16BE(12) === 0x86dd ? ETHERNET + 7 : ETHERNET + 8) > 1;

function judge(rule: Allowed, frame: Buffer, verdict: number, out: Buffer): string | undefined {
  if (!rule.verdicts.includes(verdict)) return `verdict ${verdict} where the model allows ${rule.verdicts.join(", ")}`;
  if (verdict === DROP) return rule.passesSound && mayGoOn(frame) ? "a sound packet was dropped" : undefined;
  if (rule.intact === "all" && !frame.equals(out)) return "a packet that is not translated was changed";
  const l4 = headersOf(frame)?.l4 ?? 0;
  if (rule.intact === "payload" && !frame.subarray(l4).equals(out.subarray(l4)))
    return "a fragment's bytes were changed";
  if (rule.intact !== "all" && isSound(frame) && !isSound(out))
    return "a sound packet left with a wrong length or checksum";
  return undefined;
}

/** Stops at the tenth difference. Needs root. Lets the event loop turn now and then, so that it can be told to end. */
export async function fuzz(
  packets: number,
  seed: number,
  progress: (done: number) => void = () => undefined,
): Promise<Outcome> {
  const random = new Random(seed);
  const counts = new Map<string, number>();
  const differences: Difference[] = [];
  const world = new World();
  try {
    world.addIpv6();
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
      await setImmediate();
    }
    return { packets: done, counts, differences };
  } finally {
    world.cleanup.run();
  }
}
