// SPDX-License-Identifier: Apache-2.0
// Puts IPv6 extension headers in front of a frame's transport header.
import { DESTINATION_OPTIONS, ETHERNET } from "./packet.ts";

export const HOP_BY_HOP_OPTIONS = 0;
export const ROUTING_HEADER = 43;
export { DESTINATION_OPTIONS };

const V6_HEADER = 40;
const NEXT_HEADER_AT = ETHERNET + 6;
const PAYLOAD_LENGTH_AT = ETHERNET + 4;
/** Options: one that pads to 8 bytes. A routing header: of a type nobody uses, with no segment left to go to. */
const contents = (type: number): number[] => (type === ROUTING_HEADER ? [253, 0, 0, 0, 0, 0] : [1, 4, 0, 0, 0, 0]);

/** The frame with headers of these types, the first one right behind the IP header; each is 8 bytes long. */
export function withExtensions(frame: Buffer, types: readonly number[]): Buffer {
  const headers = Buffer.from(frame.subarray(0, ETHERNET + V6_HEADER));
  const extensions: Buffer[] = [];
  let next = headers.readUInt8(NEXT_HEADER_AT);
  for (const type of [...types].reverse()) {
    extensions.unshift(Buffer.from([next, 0, ...contents(type)]));
    next = type;
  }
  headers.writeUInt8(next, NEXT_HEADER_AT);
  headers.writeUInt16BE(headers.readUInt16BE(PAYLOAD_LENGTH_AT) + 8 * types.length, PAYLOAD_LENGTH_AT);
  return Buffer.concat([headers, ...extensions, frame.subarray(ETHERNET + V6_HEADER)]);
}
