// SPDX-License-Identifier: Apache-2.0
// Builds Ethernet frames with IPv4 or IPv6 and TCP, UDP, SCTP or ICMP, checksums included.
import { isMappedV4, parseAddress } from "../../agent/maps/address.ts";
import { crc32c, pseudoSum, sum } from "./checksum.ts";

export interface PacketSpec {
  /** The addresses' family is the packet's. */
  readonly source: string;
  readonly destination: string;
  readonly protocol: TransportName;
  /** ICMP: the identifier of an echo. */
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly ttl?: number;
  /** TCP flags, such as `S`, `SA`, `F`, `R`; ICMP: `request` or `reply`. */
  readonly flags?: string;
  readonly payload?: string | Buffer;
  /** TCP. */
  readonly sequence?: number;
  readonly acknowledgement?: number;
  /** TCP options, in 4-byte words. */
  readonly tcpOptionWords?: number;
  /** ICMP: an error of this type and code about the packet that is the payload. */
  readonly error?: { readonly type: number; readonly code: number; readonly mtu?: number };
  /** SCTP: the only chunk, whose value is the payload; DATA when left out. */
  readonly chunk?: keyof typeof chunkTypes;
  /** SCTP: the verification tag. */
  readonly tag?: number;
  /** UDP: leave the checksum zero, which means none; SCTP: which means that the device will fill it in. */
  readonly noChecksum?: boolean;
  /** The fragment field of the IPv4 header; IPv6 says the same in a fragment header. */
  readonly fragment?: number;
  /** IPv4 options, or IPv6 destination options, in 4-byte words: for IPv6 an even number. */
  readonly optionWords?: number;
}

export type TransportName = "tcp" | "udp" | "icmp" | "sctp";

export const ETHERNET = 14;
export const ICMPV6 = 58;
export const FRAGMENT_HEADER = 44;
export const DESTINATION_OPTIONS = 60;
export const DO_NOT_FRAGMENT = 0x4000;
export const MORE_FRAGMENTS = 0x2000;
const IDENTIFICATION = 0x1234;
const numbers = { icmp: 1, tcp: 6, udp: 17, sctp: 132 } as const;
const checksumAt: Readonly<Record<number, number>> = { 1: 2, [ICMPV6]: 2, 6: 16, 17: 6 };
export const flagBits: Readonly<Record<string, number>> = { F: 1, S: 2, R: 4, P: 8, A: 16 };
export const chunkTypes = { data: 0, init: 1, abort: 6, "cookie-ack": 11, "shutdown-complete": 14 } as const;

const isV4 = (spec: PacketSpec): boolean => isMappedV4(parseAddress(spec.source));

/** The bytes of an address as a packet carries it. */
function addressBytes(text: string): Buffer {
  const bytes = parseAddress(text);
  return isMappedV4(bytes) ? bytes.subarray(12) : bytes;
}

function icmp(spec: PacketSpec, payload: Buffer): Buffer {
  const header = Buffer.alloc(8);
  if (spec.error === undefined) {
    const [request, reply] = isV4(spec) ? [8, 0] : [128, 129];
    header.writeUInt8(spec.flags === "reply" ? reply : request, 0);
    header.writeUInt16BE(spec.sourcePort ?? 0, 4);
  } else {
    header.writeUInt8(spec.error.type, 0);
    header.writeUInt8(spec.error.code, 1);
    header.writeUInt32BE(spec.error.mtu ?? 0, 4);
  }
  return Buffer.concat([header, payload]);
}

function tcp(spec: PacketSpec, payload: Buffer): Buffer {
  const header = Buffer.alloc(20 + (spec.tcpOptionWords ?? 0) * 4, 1);
  header.fill(0, 4, 20);
  header.writeUInt32BE(spec.sequence ?? 0, 4);
  header.writeUInt32BE(spec.acknowledgement ?? 0, 8);
  header.writeUInt8((header.length / 4) << 4, 12);
  const flags = [...(spec.flags ?? "A")];
  header.writeUInt8(
    flags.reduce((bits, flag) => bits | (flagBits[flag] ?? 0), 0),
    13,
  );
  return Buffer.concat([header, payload]);
}

function udp(payload: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt16BE(header.length + payload.length, 4);
  return Buffer.concat([header, payload]);
}

function sctp(spec: PacketSpec, payload: Buffer): Buffer {
  const header = Buffer.alloc(16);
  header.writeUInt32BE(spec.tag ?? 0, 4);
  header.writeUInt8(chunkTypes[spec.chunk ?? "data"], 12);
  header.writeUInt16BE(4 + payload.length, 14);
  return Buffer.concat([header, payload]);
}

function transport(spec: PacketSpec): Buffer {
  const payload = Buffer.from(spec.payload ?? "payload");
  if (spec.protocol === "icmp") return icmp(spec, payload);
  const segment =
    spec.protocol === "tcp" ? tcp(spec, payload) : spec.protocol === "udp" ? udp(payload) : sctp(spec, payload);
  segment.writeUInt16BE(spec.sourcePort ?? 0, 0);
  segment.writeUInt16BE(spec.destinationPort ?? 0, 2);
  return segment;
}

function headerV4(spec: PacketSpec, protocol: number, length: number): Buffer {
  const ip = Buffer.alloc(20 + (spec.optionWords ?? 0) * 4, 1);
  ip.writeUInt8(0x40 | (ip.length / 4), 0);
  ip.writeUInt8(0, 1);
  ip.writeUInt16BE(ip.length + length, 2);
  ip.writeUInt16BE(IDENTIFICATION, 4);
  ip.writeUInt16BE(spec.fragment ?? 0, 6);
  ip.writeUInt8(spec.ttl ?? 64, 8);
  ip.writeUInt8(protocol, 9);
  ip.writeUInt16BE(0, 10);
  addressBytes(spec.source).copy(ip, 12);
  addressBytes(spec.destination).copy(ip, 16);
  ip.writeUInt16BE(0xffff - sum(ip), 10);
  return ip;
}

/** An IPv6 fragment header for the fragment field of an IPv4 header. */
export function fragmentHeader(next: number, fragment: number, id = IDENTIFICATION): Buffer {
  const header = Buffer.from([next, 0, 0, 0, 0, 0, 0, 0]);
  header.writeUInt16BE(((fragment & 0x1fff) << 3) | ((fragment & MORE_FRAGMENTS) === 0 ? 0 : 1), 2);
  header.writeUInt32BE(id, 4);
  return header;
}

function headerV6(spec: PacketSpec, protocol: number, length: number): Buffer {
  const extensions: Buffer[] = [];
  let next = protocol;
  if (spec.optionWords !== undefined) {
    const bytes = spec.optionWords * 4;
    // One option that pads.
    extensions.unshift(Buffer.concat([Buffer.from([next, bytes / 8 - 1, 1, bytes - 4]), Buffer.alloc(bytes - 4)]));
    next = DESTINATION_OPTIONS;
  }
  if (spec.fragment !== undefined && (spec.fragment & DO_NOT_FRAGMENT) === 0) {
    extensions.unshift(fragmentHeader(next, spec.fragment));
    next = FRAGMENT_HEADER;
  }
  const ip = Buffer.alloc(40);
  ip.writeUInt8(0x60, 0);
  ip.writeUInt16BE(
    extensions.reduce((bytes, header) => bytes + header.length, length),
    4,
  );
  ip.writeUInt8(next, 6);
  ip.writeUInt8(spec.ttl ?? 64, 7);
  addressBytes(spec.source).copy(ip, 8);
  addressBytes(spec.destination).copy(ip, 24);
  return Buffer.concat([ip, ...extensions]);
}

export function build(spec: PacketSpec): Buffer {
  const v4 = isV4(spec);
  const protocol = spec.protocol === "icmp" && !v4 ? ICMPV6 : numbers[spec.protocol];
  const segment = transport(spec);
  const ip = (v4 ? headerV4 : headerV6)(spec, protocol, segment.length);
  if (spec.noChecksum !== true) {
    if (spec.protocol === "sctp") segment.writeUInt32LE(crc32c(segment), 8);
    else
      segment.writeUInt16BE(0xffff - sum(segment, pseudoSum(ip, protocol, segment.length)), checksumAt[protocol] ?? 0);
  }
  return Buffer.concat([Buffer.alloc(12), Buffer.from(v4 ? [0x08, 0x00] : [0x86, 0xdd]), ip, segment]);
}
