// SPDX-License-Identifier: Apache-2.0
// Cuts a frame into fragments as a sender or router does, and puts fragments together as a receiver does.
import { sum } from "./checksum.ts";
import { ETHERNET, FRAGMENT_HEADER, fragmentHeader, MORE_FRAGMENTS } from "./packet.ts";

const V6_HEADER = 40;
const isV6 = (frame: Buffer): boolean => frame.readUInt8(ETHERNET) >> 4 === 6;

/** The frame's Ethernet and IP headers, changed to be those of one fragment. */
function fragmentHeaders(frame: Buffer, size: number, fragment: number, bytes: number): Buffer {
  const headers = Buffer.from(frame.subarray(0, size));
  if (isV6(frame)) {
    const extension = fragmentHeader(headers.readUInt8(ETHERNET + 6), fragment);
    headers.writeUInt8(FRAGMENT_HEADER, ETHERNET + 6);
    headers.writeUInt16BE(extension.length + bytes, ETHERNET + 4);
    return Buffer.concat([headers, extension]);
  }
  headers.writeUInt16BE(size - ETHERNET + bytes, ETHERNET + 2);
  headers.writeUInt16BE(fragment, ETHERNET + 6);
  headers.writeUInt16BE(0, ETHERNET + 10);
  headers.writeUInt16BE(0xffff - sum(headers.subarray(ETHERNET)), ETHERNET + 10);
  return headers;
}

/** Pieces of at most `most` bytes, a multiple of 8, of what follows the IP header. */
export function fragmentsOf(frame: Buffer, most: number): Buffer[] {
  const size = ETHERNET + (isV6(frame) ? V6_HEADER : (frame.readUInt8(ETHERNET) & 15) * 4);
  const whole = frame.subarray(size);
  const count = Math.ceil(whole.length / most);
  return Array.from({ length: count }, (_, index) => {
    const piece = whole.subarray(index * most, (index + 1) * most);
    const fragment = (index * most) / 8 + (index < count - 1 ? MORE_FRAGMENTS : 0);
    return Buffer.concat([fragmentHeaders(frame, size, fragment, piece.length), piece]);
  });
}

/** Where a fragment's piece begins in its packet, and in the frame. */
function place(frame: Buffer): { offset: number; at: number } {
  if (isV6(frame)) {
    const at = ETHERNET + V6_HEADER;
    return { offset: frame.readUInt16BE(at + 2) & 0xfff8, at: at + 8 };
  }
  return {
    offset: (frame.readUInt16BE(ETHERNET + 6) & 0x1fff) * 8,
    at: ETHERNET + (frame.readUInt8(ETHERNET) & 15) * 4,
  };
}

/** Throws for fragments that do not belong together. */
export function reassemble(frames: readonly Buffer[]): Buffer {
  const [first] = frames;
  if (first === undefined) throw new RangeError("there are no fragments");
  const identity = (frame: Buffer): string =>
    isV6(frame)
      ? `${frame.toString("hex", ETHERNET + 8, ETHERNET + 40)} ${frame.toString("hex", ETHERNET + 44, ETHERNET + 48)}`
      : `${frame.toString("hex", ETHERNET + 12, ETHERNET + 20)} ${frame.toString("hex", ETHERNET + 4, ETHERNET + 6)}`;
  let whole = Buffer.alloc(0);
  for (const frame of [...frames].sort((a, b) => place(a).offset - place(b).offset)) {
    const { offset, at } = place(frame);
    if (identity(frame) !== identity(first) || offset !== whole.length)
      throw new RangeError(`a fragment at ${offset} of ${identity(frame)} does not follow ${whole.length} bytes`);
    if (!isV6(frame) && sum(frame.subarray(ETHERNET, at)) !== 0xffff)
      throw new RangeError(`a fragment at ${offset} has a wrong header checksum`);
    whole = Buffer.concat([whole, frame.subarray(at)]);
  }
  const { at } = place(first);
  const headers = isV6(first)
    ? Buffer.from(first.subarray(0, ETHERNET + V6_HEADER))
    : fragmentHeaders(first, at, 0, whole.length);
  if (isV6(first)) {
    headers.writeUInt8(first.readUInt8(ETHERNET + V6_HEADER), ETHERNET + 6);
    headers.writeUInt16BE(whole.length, ETHERNET + 4);
  }
  return Buffer.concat([headers, whole]);
}
