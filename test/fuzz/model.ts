// SPDX-License-Identifier: Apache-2.0
// Which verdicts a packet may get, by what README.md of bpf/ says and not by how the programs are written.

export const NEXT = -1;
export const DROP = 2;
export const REDIRECT = 7;

export type Hook = "node_ingress" | "node_egress" | "pod_ingress";

/** What a frontend of the fuzzed world leads to. */
export type Destiny = "here" | "elsewhere" | "refused" | "dropped" | "ranges" | "cluster";

export interface FuzzedWorld {
  /** `protocol/address/port` to what becomes of a packet. */
  readonly frontends: ReadonlyMap<string, Destiny>;
  /** Addresses whose packets are a translated flow's answers, or are ours. */
  readonly ours: ReadonlySet<string>;
  readonly isPod: (address: string) => boolean;
}

export interface Headers {
  readonly protocol: number;
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** An ICMP error about another packet. */
  readonly error: boolean;
}

/** What may become of a packet; `intact` says that none of its bytes may change when it goes on. */
export interface Allowed {
  readonly verdicts: readonly number[];
  readonly intact: boolean;
  readonly why: string;
}

const ETHERNET = 14;
const TCP = 6;
const UDP = 17;
const ICMP = 1;
const errors = new Set([3, 11, 12]);

/** The headers of an unfragmented IPv4 packet whose protocol is translated; undefined for anything else. */
export function headersOf(frame: Buffer): Headers | undefined {
  if (frame.length < ETHERNET + 20 || frame.readUInt16BE(12) !== 0x0800) return undefined;
  const first = frame.readUInt8(ETHERNET);
  const size = (first & 15) * 4;
  if (first >> 4 !== 4 || size < 20) return undefined;
  const protocol = frame.readUInt8(ETHERNET + 9);
  const fragment = (frame.readUInt16BE(ETHERNET + 6) & 0x3fff) !== 0;
  const l4 = ETHERNET + size;
  const needed = protocol === TCP ? 14 : protocol === ICMP ? 8 : 4;
  if (fragment || ![TCP, UDP, ICMP].includes(protocol) || frame.length < l4 + needed) return undefined;
  const address = (at: number): string => frame.subarray(ETHERNET + at, ETHERNET + at + 4).join(".");
  return {
    protocol,
    source: address(12),
    destination: address(16),
    sourcePort: frame.readUInt16BE(l4),
    destinationPort: frame.readUInt16BE(l4 + 2),
    error: protocol === ICMP && errors.has(frame.readUInt8(l4)),
  };
}

const untouched = (why: string): Allowed => ({ verdicts: [NEXT], intact: true, why });
const changed = (why: string, ...verdicts: number[]): Allowed => ({
  verdicts: [...verdicts, DROP],
  intact: false,
  why,
});

function allowedAtFrontend(destiny: Destiny, hook: Hook): Allowed {
  const fromPod = hook === "pod_ingress";
  switch (destiny) {
    case "here":
      return changed("a backend here", NEXT, ...(fromPod ? [REDIRECT] : []));
    case "elsewhere":
      return changed("a backend elsewhere", REDIRECT, ...(fromPod ? [NEXT] : []));
    case "refused":
      return changed("no endpoint, refused", REDIRECT);
    case "dropped":
      return changed("no endpoint here, dropped", ...(fromPod ? [REDIRECT] : []));
    case "ranges":
      return changed("source ranges", NEXT, ...(fromPod ? [REDIRECT] : []));
    case "cluster":
      return fromPod ? changed("a backend of the cluster", NEXT, REDIRECT) : untouched("not served to the outside");
  }
}

/** The judgement on one packet at one hook; the world serves no IPv6, so that none of it may be touched. */
export function allowed(world: FuzzedWorld, hook: Hook, frame: Buffer): Allowed {
  const headers = headersOf(frame);
  if (headers === undefined) return untouched("nothing that is translated");
  const { protocol, source, destination, destinationPort } = headers;
  if (hook === "node_egress") {
    if (world.isPod(source) || world.ours.has(source) || headers.error)
      return changed("leaves from a pod or from us", NEXT);
    return untouched("leaves, and is not ours");
  }
  if (headers.error) return changed("an ICMP error", NEXT, REDIRECT);
  const destiny = world.frontends.get(`${protocol}/${destination}/${destinationPort}`);
  if (destiny !== undefined) return allowedAtFrontend(destiny, hook);
  if (world.ours.has(destination) || world.isPod(destination))
    return changed("may answer a translated flow", NEXT, REDIRECT);
  return untouched("to no frontend");
}
