// SPDX-License-Identifier: Apache-2.0
// Speaks SCTP by a raw socket, as the kernel here has no SCTP sockets: its packets take the output path of their namespace.
import { formatAddress, isMappedV4, parseAddress } from "../../agent/maps/address.ts";
import { Socket, socketAddress } from "../oracle/wire/socket.ts";
import type { Cleanup, Netns } from "../support/netns.ts";
import { crc32c } from "./checksum.ts";
import { build, ETHERNET, type PacketSpec } from "./packet.ts";
import { SCTP } from "./world.ts";

export interface Heard {
  /** `address:port`. */
  readonly from: string;
  readonly port: number;
  readonly tag: number;
  readonly chunk: number;
  readonly payload: string;
  readonly checksum: "right" | "wrong";
}

/** As the system calls take it: of 4 or 16 bytes. */
function bytesOf(address: string): Buffer {
  const bytes = parseAddress(address);
  return isMappedV4(bytes) ? bytes.subarray(12) : bytes;
}

export class SctpPeer {
  readonly #address: string;
  readonly #socket: Socket;
  readonly #heard: Heard[] = [];

  /** At an address of the namespace. */
  constructor(netns: Netns, address: string, cleanup: Cleanup) {
    this.#address = address;
    this.#socket = netns.inside(() => Socket.delivered(bytesOf(address), SCTP));
    cleanup.add(() => this.#socket.close());
  }

  send(packet: Omit<PacketSpec, "source" | "protocol">): void {
    const frame = build({ ...packet, source: this.#address, protocol: "sctp" });
    const to = bytesOf(packet.destination);
    const sent = this.#socket.send(frame.subarray(ETHERNET + (to.length === 4 ? 20 : 40)), socketAddress(to, 0));
    if (sent < 0) throw new Error(`sending to ${packet.destination}: errno ${-sent}`);
  }

  /** The first packet to this port that has come and was not taken yet. */
  take(port: number): Heard | undefined {
    for (let heard = this.#receive(); heard !== undefined; heard = this.#receive()) this.#heard.push(heard);
    const index = this.#heard.findIndex((heard) => heard.port === port);
    return index < 0 ? undefined : this.#heard.splice(index, 1)[0];
  }

  #receive(): Heard | undefined {
    const v6 = bytesOf(this.#address).length === 16;
    const from = Buffer.alloc(v6 ? 28 : 16);
    const packet = this.#socket.receive(from);
    if (packet === undefined) return undefined;
    const segment = v6 ? packet : packet.subarray((packet.readUInt8(0) & 15) * 4);
    const address = v6 ? formatAddress(from.subarray(8, 24)) : from.subarray(4, 8).join(".");
    const summed = Buffer.from(segment);
    summed.fill(0, 8, 12);
    return {
      from: `${address}:${segment.readUInt16BE(0)}`,
      port: segment.readUInt16BE(2),
      tag: segment.readUInt32BE(4),
      chunk: segment.readUInt8(12),
      payload: segment.toString("latin1", 16, 12 + segment.readUInt16BE(14)),
      checksum: crc32c(summed) === segment.readUInt32LE(8) ? "right" : "wrong",
    };
  }
}
