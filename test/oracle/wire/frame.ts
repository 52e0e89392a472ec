// SPDX-License-Identifier: Apache-2.0
// Frames that carry a number, so that whatever becomes of one can be told from all others: TCP SYN, UDP, and SCTP INIT.
import { crc32c, sum } from "../../bpf/checksum.ts";
import { toBytes, toText } from "./address.ts";
import type { Family, Protocol } from "./socket.ts";

export interface Sent {
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
  readonly protocol: Protocol;
  /** 32 bits. */
  readonly id: number;
}

export type Seen =
  | {
      readonly kind: "packet";
      readonly protocol: Protocol;
      readonly source: string;
      readonly destination: string;
      readonly destinationPort: number;
      readonly id: number;
    }
  /** A reset, an abort, or an ICMP message that says unreachable, about a packet from this port. */
  | { readonly kind: "refusal"; readonly port: number };

const ETHERNET = 14;
const TCP = 6;
const UDP = 17;
const SCTP = 132;
const ICMP = 1;
const ICMPV6 = 58;
const MAGIC = 0x5a5c;
const SYN = 2;
const RST = 4;
const ACK = 16;
const INIT = 1;
const ABORT = 6;
const SCTP_HEADER = 12;
const INIT_BYTES = 20;

/** As the IP header has them. */
export const PROTOCOL_NUMBERS: Readonly<Record<Protocol, number>> = { tcp: TCP, udp: UDP, sctp: SCTP };

/** What a datagram with a number carries. */
export function numbered(id: number): Buffer {
  const payload = Buffer.alloc(8);
  payload.writeUInt16BE(MAGIC, 0);
  payload.writeUInt32BE(id, 4);
  return payload;
}

/** An SCTP packet that asks for an association: its initiate tag is the number. */
export function initOf({
  sourcePort,
  destinationPort,
  id,
}: Pick<Sent, "sourcePort" | "destinationPort" | "id">): Buffer {
  const packet = Buffer.alloc(SCTP_HEADER + INIT_BYTES);
  packet.writeUInt16BE(sourcePort, 0);
  packet.writeUInt16BE(destinationPort, 2);
  packet.writeUInt8(INIT, 12);
  packet.writeUInt16BE(INIT_BYTES, 14);
  packet.writeUInt32BE(id, 16);
  packet.writeUInt32BE(0xffff, 20);
  // One stream each way.
  packet.writeUInt32BE(0x10001, 24);
  packet.writeUInt32LE(crc32c(packet), 8);
  return packet;
}

function transport(sent: Sent, pseudo: Buffer): Buffer {
  if (sent.protocol === "sctp") return initOf(sent);
  const segment = unchecked(sent);
  segment.writeUInt16BE(sent.sourcePort, 0);
  segment.writeUInt16BE(sent.destinationPort, 2);
  const start = sum(pseudo, PROTOCOL_NUMBERS[sent.protocol] + segment.length);
  segment.writeUInt16BE(0xffff - sum(segment, start) || 0xffff, sent.protocol === "tcp" ? 16 : 6);
  return segment;
}

/** Without ports and checksum. */
function unchecked(sent: Sent): Buffer {
  if (sent.protocol === "tcp") {
    const segment = Buffer.alloc(20);
    segment.writeUInt32BE(sent.id, 4);
    segment.writeUInt8(5 << 4, 12);
    segment.writeUInt8(SYN, 13);
    segment.writeUInt16BE(0xffff, 14);
    return segment;
  }
  const datagram = Buffer.concat([Buffer.alloc(8), numbered(sent.id)]);
  datagram.writeUInt16BE(datagram.length, 4);
  return datagram;
}

export function build(to: Buffer, sent: Sent): Buffer {
  const [source, destination] = [toBytes(sent.source), toBytes(sent.destination)];
  const v6 = source.length === 16;
  const protocol = PROTOCOL_NUMBERS[sent.protocol];
  const segment = transport(sent, Buffer.concat([source, destination]));
  const ip = Buffer.alloc(v6 ? 40 : 20);
  if (v6) {
    ip.writeUInt8(0x60, 0);
    ip.writeUInt16BE(segment.length, 4);
    ip.writeUInt8(protocol, 6);
    ip.writeUInt8(64, 7);
    source.copy(ip, 8);
    destination.copy(ip, 24);
  } else {
    ip.writeUInt8(0x45, 0);
    ip.writeUInt16BE(ip.length + segment.length, 2);
    ip.writeUInt16BE(sent.id & 0xffff, 4);
    ip.writeUInt8(64, 8);
    ip.writeUInt8(protocol, 9);
    source.copy(ip, 12);
    destination.copy(ip, 16);
    ip.writeUInt16BE(0xffff - sum(ip), 10);
  }
  return Buffer.concat([to, Buffer.alloc(6), Buffer.from(v6 ? [0x86, 0xdd] : [0x08, 0x00]), ip, segment]);
}

/** Undefined for what is no answer to a probe and no probe. */
export function readFrame(frame: Buffer): Seen | undefined {
  const type = frame.length < ETHERNET ? 0 : frame.readUInt16BE(12);
  return type === 0x0800 || type === 0x86dd ? readPacket(frame.subarray(ETHERNET)) : undefined;
}

export function readPacket(packet: Buffer): Seen | undefined {
  const v6 = (packet[0] ?? 0) >> 4 === 6;
  const length = v6 ? 40 : ((packet[0] ?? 0) & 15) * 4;
  if (packet.length < length + 8) return undefined;
  const ends = v6
    ? { source: packet.subarray(8, 24), destination: packet.subarray(24, 40) }
    : { source: packet.subarray(12, 16), destination: packet.subarray(16, 20) };
  return readSegment(packet[v6 ? 6 : 9] ?? 0, packet.subarray(length), toText(ends.source), toText(ends.destination));
}

/** `protocol` is the number in the IP header. */
export function readSegment(protocol: number, segment: Buffer, source: string, destination: string): Seen | undefined {
  if (protocol === ICMP || protocol === ICMPV6) return readRefusal(protocol, segment);
  if (protocol === TCP && segment.length >= 20) {
    const flags = segment.readUInt8(13);
    if ((flags & RST) !== 0) return { kind: "refusal", port: segment.readUInt16BE(2) };
    if ((flags & (SYN | ACK)) !== SYN) return undefined;
    const id = segment.readUInt32BE(4);
    return { kind: "packet", protocol: "tcp", source, destination, destinationPort: segment.readUInt16BE(2), id };
  }
  if (protocol === SCTP) return readSctp(segment, source, destination);
  if (protocol !== UDP || segment.length < 16 || segment.readUInt16BE(8) !== MAGIC) return undefined;
  const id = segment.readUInt32BE(12);
  return { kind: "packet", protocol: "udp", source, destination, destinationPort: segment.readUInt16BE(2), id };
}

/** A packet that arrives damaged would be lost on its receiver. */
function readSctp(packet: Buffer, source: string, destination: string): Seen | undefined {
  if (packet.length < SCTP_HEADER + 4) return undefined;
  const whole = Buffer.from(packet);
  whole.writeUInt32LE(0, 8);
  if (crc32c(whole) !== packet.readUInt32LE(8)) return undefined;
  const [chunk, destinationPort] = [packet.readUInt8(12), packet.readUInt16BE(2)];
  if (chunk === ABORT) return { kind: "refusal", port: destinationPort };
  if (chunk !== INIT || packet.length < SCTP_HEADER + INIT_BYTES) return undefined;
  return { kind: "packet", protocol: "sctp", source, destination, destinationPort, id: packet.readUInt32BE(16) };
}

/** The packet inside may be cut off after 8 bytes. */
function readRefusal(protocol: number, message: Buffer): Seen | undefined {
  if (message.length < 8 || message.readUInt8(0) !== (protocol === ICMP ? 3 : 1)) return undefined;
  const inner = message.subarray(8);
  const length = protocol === ICMP ? ((inner[0] ?? 0) & 15) * 4 : 40;
  const carried = inner[protocol === ICMP ? 9 : 6];
  const isProbe = [TCP, UDP, SCTP].some((known) => known === carried) && inner.length >= length + 8;
  return isProbe ? { kind: "refusal", port: inner.readUInt16BE(length) } : undefined;
}

export const familyOf = (address: string): Family => (address.includes(":") ? 6 : 4);
