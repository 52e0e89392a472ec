// SPDX-License-Identifier: Apache-2.0
// Which verdicts a packet may get, by what README.md of bpf/ says and not by how the programs are written.

import { formatAddress, isMappedV4 } from "../../agent/maps/address.ts";

export const NEXT = -1;
export const DROP = 2;
export const REDIRECT = 7;

type WholeHook = "node_ingress" | "node_egress" | "pod_ingress";
export type Hook = WholeHook | "sctp_from_pod" | "sctp_egress" | "sctp_to_host";

/** Hooks that leave TCP and UDP to sockets, and are like others to all else. */
const like: Partial<Record<Hook, WholeHook>> = {
  sctp_from_pod: "pod_ingress",
  sctp_egress: "node_egress",
  sctp_to_host: "node_ingress",
};
const isWhole = (hook: Hook): hook is WholeHook => like[hook] === undefined;

/** What a frontend of the fuzzed world leads to. */
export type Destiny = "here" | "elsewhere" | "refused" | "dropped" | "ranges" | "cluster";

export interface FuzzedWorld {
  /** `protocol/address/port` to what becomes of a packet. */
  readonly frontends: ReadonlyMap<string, Destiny>;
  /** Addresses whose packets are a translated flow's answers, or are ours. */
  readonly ours: ReadonlySet<string>;
  /** Addresses of the node itself. */
  readonly own: ReadonlySet<string>;
  readonly isPod: (address: string) => boolean;
}

export interface Headers {
  readonly v6: boolean;
  readonly protocol: number;
  readonly source: string;
  readonly destination: string;
  /** Of a later fragment these are not known. */
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** An ICMP error about another packet. */
  readonly error: boolean;
  readonly fragment: "none" | "first" | "later";
  /** Where the transport's header, or the later fragment's piece, begins. */
  readonly l4: number;
}

/** What may become of a packet; `intact` says what of it may not change when it goes on. */
export interface Allowed {
  readonly verdicts: readonly number[];
  readonly intact: "all" | "payload" | "nothing";
  /** A drop is right only for what is damaged, in fragments or has come too far. */
  readonly passesSound?: true;
  readonly why: string;
}

const ETHERNET = 14;
const TCP = 6;
const UDP = 17;
const SCTP = 132;
const ICMP = 1;
const ICMPV6 = 58;
const FRAGMENT_HEADER = 44;
/** Hop by hop options, routing, destination options, fragment. */
const extensions = new Set([0, 43, 60, FRAGMENT_HEADER]);
/** More in front of the transport's header are not walked. */
const MOST_EXTENSIONS = 4;
const errors: ReadonlyMap<number, ReadonlySet<number>> = new Map([
  [ICMP, new Set([3, 11, 12])],
  [ICMPV6, new Set([1, 2, 3, 4])],
]);

/** The IP layer alone: what both families say. */
type Network = Omit<Headers, "sourcePort" | "destinationPort" | "error">;

function networkV4(frame: Buffer): Network | undefined {
  if (frame.length < ETHERNET + 20) return undefined;
  const first = frame.readUInt8(ETHERNET);
  const size = (first & 15) * 4;
  const protocol = frame.readUInt8(ETHERNET + 9);
  if (first >> 4 !== 4 || size < 20 || ![TCP, UDP, SCTP, ICMP].includes(protocol)) return undefined;
  const field = frame.readUInt16BE(ETHERNET + 6);
  const address = (at: number): string => frame.subarray(ETHERNET + at, ETHERNET + at + 4).join(".");
  return {
    v6: false,
    protocol,
    source: address(12),
    destination: address(16),
    fragment: (field & 0x1fff) !== 0 ? "later" : (field & 0x2000) !== 0 ? "first" : "none",
    l4: ETHERNET + size,
  };
}

function networkV6(frame: Buffer): Network | undefined {
  if (frame.length < ETHERNET + 40 || frame.readUInt8(ETHERNET) >> 4 !== 6) return undefined;
  const source = frame.subarray(ETHERNET + 8, ETHERNET + 24);
  const destination = frame.subarray(ETHERNET + 24, ETHERNET + 40);
  if (isMappedV4(source) || isMappedV4(destination)) return undefined;
  const ends = { v6: true, source: formatAddress(source), destination: formatAddress(destination) };
  let next = frame.readUInt8(ETHERNET + 6);
  let l4 = ETHERNET + 40;
  let fragment: Headers["fragment"] = "none";
  for (let walked = 0; extensions.has(next); walked++) {
    if (walked === MOST_EXTENSIONS || frame.length < l4 + 8) return undefined;
    if (next === FRAGMENT_HEADER) {
      const field = frame.readUInt16BE(l4 + 2);
      if ((field & 1) !== 0) fragment = "first";
      if ((field & 0xfff8) !== 0) return { ...ends, protocol: frame.readUInt8(l4), fragment: "later", l4: l4 + 8 };
    }
    const bytes = next === FRAGMENT_HEADER ? 8 : (frame.readUInt8(l4 + 1) + 1) * 8;
    next = frame.readUInt8(l4);
    l4 += bytes;
  }
  return [TCP, UDP, SCTP, ICMPV6].includes(next) ? { ...ends, protocol: next, fragment, l4 } : undefined;
}

/** The headers of a packet whose protocol is translated; undefined for anything else. */
export function headersOf(frame: Buffer): Headers | undefined {
  const type = frame.readUInt16BE(12);
  const network = type === 0x0800 ? networkV4(frame) : type === 0x86dd ? networkV6(frame) : undefined;
  if (network === undefined) return undefined;
  const { protocol, fragment, l4 } = network;
  if (fragment === "later") return { ...network, sourcePort: 0, destinationPort: 0, error: false };
  const needed = protocol === TCP ? 14 : protocol === UDP ? 4 : protocol === SCTP ? 13 : 8;
  if (frame.length < l4 + needed) return undefined;
  return {
    ...network,
    sourcePort: frame.readUInt16BE(l4),
    destinationPort: frame.readUInt16BE(l4 + 2),
    error: errors.get(protocol)?.has(frame.readUInt8(l4)) ?? false,
  };
}

/** Whether an IP header says that TCP or UDP comes next. */
function isOfSockets(frame: Buffer): boolean {
  const protocol = frame.at(frame.readUInt16BE(12) === 0x86dd ? ETHERNET + 6 : ETHERNET + 9);
  return protocol === TCP || protocol === UDP;
}

const untouched = (why: string): Allowed => ({ verdicts: [NEXT], intact: "all", why });
const changed = (why: string, ...verdicts: number[]): Allowed => ({
  verdicts: [...verdicts, DROP],
  intact: "nothing",
  why,
});
/** Goes on, or is answered for, when it is as a sound sender would have it. */
const passed = (why: string, ...verdicts: number[]): Allowed => ({ ...changed(why, ...verdicts), passesSound: true });

function allowedAtFrontend(destiny: Destiny, hook: WholeHook): Allowed {
  const fromPod = hook === "pod_ingress";
  switch (destiny) {
    case "here":
      return passed("a backend here", NEXT, ...(fromPod ? [REDIRECT] : []));
    case "elsewhere":
      return passed("a backend elsewhere", REDIRECT, ...(fromPod ? [NEXT] : []));
    case "refused":
      return changed("no endpoint, refused", REDIRECT);
    case "dropped":
      return changed("no endpoint here, dropped", ...(fromPod ? [REDIRECT] : []));
    case "ranges":
      return changed("source ranges", NEXT, ...(fromPod ? [REDIRECT] : []));
    case "cluster":
      return fromPod ? passed("a backend of the cluster", NEXT, REDIRECT) : untouched("not served to the outside");
  }
}

const hasBackend = (destiny: Destiny): boolean => ["here", "elsewhere", "cluster"].includes(destiny);

function allowedAtEgress(world: FuzzedWorld, headers: Headers, destiny: Destiny | undefined): Allowed {
  const { protocol, source } = headers;
  if (headers.error) return changed("an ICMP error leaves", NEXT, REDIRECT);
  if (protocol === SCTP && world.own.has(source) && destiny !== undefined)
    return (hasBackend(destiny) ? passed : changed)("the node's own SCTP to a Service", REDIRECT);
  if (world.isPod(source) || world.ours.has(source)) return passed("leaves from a pod or from us", NEXT);
  return untouched("leaves, and is not ours");
}

function allowedWithHeaders(world: FuzzedWorld, hook: WholeHook, headers: Headers, answersAlone: boolean): Allowed {
  const { protocol, source, destination, destinationPort } = headers;
  // Its first fragment said what becomes of it, or it passes.
  if (headers.fragment === "later")
    return {
      verdicts: hook === "node_egress" && !world.own.has(source) ? [NEXT, DROP] : [NEXT, DROP, REDIRECT],
      intact: "payload",
      why: "a later fragment",
    };
  const destiny = world.frontends.get(`${protocol}/${destination}/${destinationPort}`);
  if (hook === "node_egress") return allowedAtEgress(world, headers, destiny);
  if (headers.error) return changed("an ICMP error", NEXT, REDIRECT);
  if (destiny !== undefined && !answersAlone) return allowedAtFrontend(destiny, hook);
  if (world.ours.has(destination) || world.isPod(destination))
    return changed("may answer a translated flow", NEXT, REDIRECT);
  return untouched("to no frontend");
}

/** The judgement on one packet at one hook. */
export function allowed(world: FuzzedWorld, hook: Hook, frame: Buffer): Allowed {
  if (!isWhole(hook) && isOfSockets(frame)) return untouched("left to sockets");
  const headers = headersOf(frame);
  if (headers === undefined) return untouched("nothing that is translated");
  const whole = like[hook] ?? (hook as WholeHook);
  const rule = allowedWithHeaders(world, whole, headers, hook === "sctp_to_host");
  return headers.v6 ? { ...rule, why: `IPv6, ${rule.why}` } : rule;
}
