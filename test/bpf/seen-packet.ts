// SPDX-License-Identifier: Apache-2.0
// Reads Ethernet frames with IPv4 or IPv6: ends, checksums, and what a TCP header, SCTP chunk or ICMP error says.
import { formatAddress } from "../../agent/maps/address.ts";
import { addressesOf, crc32c, pseudoSum, sum } from "./checksum.ts";
import { DESTINATION_OPTIONS, ETHERNET, FRAGMENT_HEADER, flagBits, ICMPV6 } from "./packet.ts";

const ICMP = 1;
const TCP = 6;
const UDP = 17;
const SCTP = 132;

export interface Seen {
  /** `address:port`. */
  readonly from: string;
  readonly to: string;
  readonly ttl: number;
  readonly payload: string;
  /** Whether every checksum is right; of UDP and SCTP zero is none. */
  readonly checksums: "right" | "absent" | "wrong";
}

/** A TCP header's own part, an SCTP packet's, or what an ICMP error says. */
export interface SeenDetail {
  readonly flags?: string;
  readonly sequence?: number;
  readonly acknowledgement?: number;
  readonly type?: number;
  readonly code?: number;
  readonly mtu?: number;
  readonly tag?: number;
  readonly chunk?: number;
  readonly chunkFlags?: number;
  /** The packet that an ICMP error is about, cut short. */
  readonly about?: { readonly from: string; readonly to: string; readonly header: "right" | "wrong" };
  readonly bytes: number;
}

interface Parts {
  /** The IP header alone. */
  readonly ip: Buffer;
  readonly protocol: number;
  /** Behind all headers of IP, as far as the IP header says, or the bytes go. */
  readonly segment: Buffer;
  readonly ttl: number;
}

/** Takes an IP packet apart. */
function parts(packet: Buffer): Parts {
  if (packet.readUInt8(0) >> 4 !== 6) {
    const ip = packet.subarray(0, (packet.readUInt8(0) & 15) * 4);
    const segment = packet.subarray(ip.length, packet.readUInt16BE(2));
    return { ip, protocol: packet.readUInt8(9), segment, ttl: packet.readUInt8(8) };
  }
  const ip = packet.subarray(0, 40);
  const end = 40 + packet.readUInt16BE(4);
  let next = packet.readUInt8(6);
  let at = 40;
  while ([0, 43, DESTINATION_OPTIONS, FRAGMENT_HEADER].includes(next) && at + 8 <= packet.length) {
    const bytes = next === FRAGMENT_HEADER ? 8 : (packet.readUInt8(at + 1) + 1) * 8;
    next = packet.readUInt8(at);
    at += bytes;
  }
  return { ip, protocol: next, segment: packet.subarray(at, end), ttl: packet.readUInt8(7) };
}

const isIcmp = (protocol: number): boolean => protocol === ICMP || protocol === ICMPV6;

function ends({ ip, protocol, segment }: Parts): { from: string; to: string } {
  const addresses = addressesOf(ip);
  const [source, destination] = [addresses.subarray(0, addresses.length / 2), addresses.subarray(addresses.length / 2)];
  const text = (bytes: Buffer): string => (bytes.length === 4 ? bytes.join(".") : formatAddress(bytes));
  const asks = isIcmp(protocol) && (segment.readUInt8(0) === 8 || segment.readUInt8(0) === 128);
  const from = isIcmp(protocol) ? (asks ? segment.readUInt16BE(4) : 0) : segment.readUInt16BE(0);
  const to = isIcmp(protocol) ? (asks ? 0 : segment.readUInt16BE(4)) : segment.readUInt16BE(2);
  return { from: `${text(source)}:${from}`, to: `${text(destination)}:${to}` };
}

/** IPv6 has none of its own. */
const headerIsRight = (ip: Buffer): boolean => ip.readUInt8(0) >> 4 === 6 || sum(ip) === 0xffff;

function checksums({ ip, protocol, segment }: Parts): Seen["checksums"] {
  if (!headerIsRight(ip)) return "wrong";
  if (protocol === UDP && segment.readUInt16BE(6) === 0) return "absent";
  if (protocol !== SCTP) return sum(segment, pseudoSum(ip, protocol, segment.length)) === 0xffff ? "right" : "wrong";
  const carried = segment.readUInt32LE(8);
  if (carried === 0) return "absent";
  const cleared = Buffer.from(segment);
  cleared.writeUInt32LE(0, 8);
  return crc32c(cleared) === carried ? "right" : "wrong";
}

export function read(frame: Buffer): Seen {
  const packet = parts(frame.subarray(ETHERNET));
  const header = packet.protocol === TCP ? 20 : packet.protocol === SCTP ? 16 : 8;
  return {
    ...ends(packet),
    ttl: packet.ttl,
    payload: packet.segment.subarray(header).toString(),
    checksums: checksums(packet),
  };
}

/** More of a frame that carries TCP, SCTP or an ICMP error. */
export function readDetail(frame: Buffer): SeenDetail {
  const { protocol, segment } = parts(frame.subarray(ETHERNET));
  const bytes = frame.length;
  if (protocol === TCP) {
    const bits = segment.readUInt8(13);
    const flags = [..."SAFRP"].filter((flag) => (bits & (flagBits[flag] ?? 0)) !== 0).join("");
    return { flags, sequence: segment.readUInt32BE(4), acknowledgement: segment.readUInt32BE(8), bytes };
  }
  if (protocol === SCTP)
    return {
      tag: segment.readUInt32BE(4),
      chunk: segment.readUInt8(12),
      chunkFlags: segment.readUInt8(13),
      bytes,
    };
  const about = parts(segment.subarray(8));
  return {
    type: segment.readUInt8(0),
    code: segment.readUInt8(1),
    mtu: segment.readUInt32BE(4),
    about: { ...ends(about), header: headerIsRight(about.ip) ? "right" : "wrong" },
    bytes,
  };
}
