// SPDX-License-Identifier: Apache-2.0
// Builds and reads Ethernet frames with IPv4 and TCP, UDP or ICMP, checksums included.

export interface PacketSpec {
  readonly source: string;
  readonly destination: string;
  readonly protocol: "tcp" | "udp" | "icmp";
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
  /** UDP: leave the checksum zero, which means none. */
  readonly noChecksum?: boolean;
  /** The fragment field of the IPv4 header. */
  readonly fragment?: number;
  /** IPv4 options, in 4-byte words. */
  readonly optionWords?: number;
}

const ETHERNET = 14;
const numbers = { icmp: 1, tcp: 6, udp: 17 } as const;
const checksumAt = { icmp: 2, tcp: 16, udp: 6 } as const;
const flagBits: Readonly<Record<string, number>> = { F: 1, S: 2, R: 4, P: 8, A: 16 };

function sum(bytes: Buffer, start = 0): number {
  let total = start;
  for (let at = 0; at < bytes.length; at += 2) total += bytes.readUInt8(at) * 256 + (bytes[at + 1] ?? 0);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}

const v4 = (text: string): Buffer => Buffer.from(text.split(".").map(Number));

/** The one's complement sum of the pseudo header. */
function pseudo(ip: Buffer, protocol: number, length: number): number {
  return protocol === 1 ? 0 : sum(Buffer.concat([ip.subarray(12, 20), Buffer.from([0, protocol, 0, 0])])) + length;
}

function transport(spec: PacketSpec): Buffer {
  const payload = Buffer.from(spec.payload ?? "payload");
  if (spec.protocol === "icmp") {
    const icmp = Buffer.alloc(8);
    if (spec.error !== undefined) {
      icmp.writeUInt8(spec.error.type, 0);
      icmp.writeUInt8(spec.error.code, 1);
      icmp.writeUInt16BE(spec.error.mtu ?? 0, 6);
      return Buffer.concat([icmp, payload]);
    }
    icmp.writeUInt8(spec.flags === "reply" ? 0 : 8, 0);
    icmp.writeUInt16BE(spec.sourcePort ?? 0, 4);
    return Buffer.concat([icmp, payload]);
  }
  const options = (spec.tcpOptionWords ?? 0) * 4;
  const header = Buffer.alloc(spec.protocol === "tcp" ? 20 + options : 8, 1);
  header.fill(0, 0, Math.min(header.length, 20));
  header.writeUInt16BE(spec.sourcePort ?? 0, 0);
  header.writeUInt16BE(spec.destinationPort ?? 0, 2);
  if (spec.protocol === "udp") {
    header.writeUInt16BE(8 + payload.length, 4);
  } else {
    header.writeUInt32BE(spec.sequence ?? 0, 4);
    header.writeUInt32BE(spec.acknowledgement ?? 0, 8);
    header.writeUInt8(((20 + options) / 4) << 4, 12);
    header.writeUInt8(
      [...(spec.flags ?? "A")].reduce((bits, flag) => bits | (flagBits[flag] ?? 0), 0),
      13,
    );
  }
  return Buffer.concat([header, payload]);
}

export function build(spec: PacketSpec): Buffer {
  const protocol = numbers[spec.protocol];
  const segment = transport(spec);
  const ip = Buffer.alloc(20 + (spec.optionWords ?? 0) * 4, 1);
  ip.writeUInt8(0x40 | (ip.length / 4), 0);
  ip.writeUInt8(0, 1);
  ip.writeUInt16BE(ip.length + segment.length, 2);
  ip.writeUInt16BE(0x1234, 4);
  ip.writeUInt16BE(spec.fragment ?? 0, 6);
  ip.writeUInt8(spec.ttl ?? 64, 8);
  ip.writeUInt8(protocol, 9);
  ip.writeUInt16BE(0, 10);
  v4(spec.source).copy(ip, 12);
  v4(spec.destination).copy(ip, 16);
  ip.writeUInt16BE(0xffff - sum(ip), 10);
  if (spec.noChecksum !== true) {
    segment.writeUInt16BE(0xffff - sum(segment, pseudo(ip, protocol, segment.length)), checksumAt[spec.protocol]);
  }
  return Buffer.concat([Buffer.alloc(12), Buffer.from([0x08, 0x00]), ip, segment]);
}

/** An address and port: `a.b.c.d:port`. */
/** A TCP header's own part, or what an ICMP error says. */
export interface SeenDetail {
  readonly flags?: string;
  readonly sequence?: number;
  readonly acknowledgement?: number;
  readonly type?: number;
  readonly code?: number;
  readonly mtu?: number;
  /** The packet that an ICMP error is about, cut short. */
  readonly about?: { readonly from: string; readonly to: string; readonly header: "right" | "wrong" };
  readonly bytes: number;
}

/** More of a frame that carries TCP or an ICMP error. */
export function readDetail(frame: Buffer): SeenDetail {
  const ip = frame.subarray(ETHERNET, ETHERNET + (frame.readUInt8(ETHERNET) & 15) * 4);
  const segment = frame.subarray(ETHERNET + ip.length, ETHERNET + ip.readUInt16BE(2));
  const bytes = frame.length;
  if (ip.readUInt8(9) === 6) {
    const bits = segment.readUInt8(13);
    const flags = [..."SAFRP"].filter((flag) => (bits & (flagBits[flag] ?? 0)) !== 0).join("");
    return { flags, sequence: segment.readUInt32BE(4), acknowledgement: segment.readUInt32BE(8), bytes };
  }
  const inner = segment.subarray(8);
  const size = (inner.readUInt8(0) & 15) * 4;
  const end = (at: number, port: number): string =>
    `${inner.subarray(at, at + 4).join(".")}:${inner.readUInt16BE(port)}`;
  return {
    type: segment.readUInt8(0),
    code: segment.readUInt8(1),
    mtu: segment.readUInt16BE(6),
    about: {
      from: end(12, size),
      to: end(16, size + 2),
      header: sum(inner.subarray(0, size)) === 0xffff ? "right" : "wrong",
    },
    bytes,
  };
}

export interface Seen {
  readonly from: string;
  readonly to: string;
  readonly ttl: number;
  readonly payload: string;
  /** Whether every checksum is right; a UDP checksum of zero is. */
  readonly checksums: "right" | "absent" | "wrong";
}

export function read(frame: Buffer): Seen {
  const ip = frame.subarray(ETHERNET, ETHERNET + (frame.readUInt8(ETHERNET) & 15) * 4);
  const segment = frame.subarray(ETHERNET + ip.length, ETHERNET + ip.readUInt16BE(2));
  const protocol = ip.readUInt8(9);
  const name = protocol === 6 ? "tcp" : protocol === 17 ? "udp" : "icmp";
  const address = (at: number): string => ip.subarray(at, at + 4).join(".");
  const asks = name === "icmp" && segment.readUInt8(0) === 8;
  const answers = name === "icmp" && !asks;
  const from = answers ? 0 : segment.readUInt16BE(name === "icmp" ? 4 : 0);
  const to = asks ? 0 : segment.readUInt16BE(name === "icmp" ? 4 : 2);
  const absent = name === "udp" && segment.readUInt16BE(6) === 0;
  const right = sum(ip) === 0xffff && (absent || sum(segment, pseudo(ip, protocol, segment.length)) === 0xffff);
  return {
    from: `${address(12)}:${from}`,
    to: `${address(16)}:${to}`,
    ttl: ip.readUInt8(8),
    payload: segment.subarray(name === "tcp" ? 20 : 8).toString(),
    checksums: right ? (absent ? "absent" : "right") : "wrong",
  };
}
