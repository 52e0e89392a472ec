// SPDX-License-Identifier: Apache-2.0
// The checksums of packets: the Internet's, with the pseudo headers of both families, and SCTP's CRC32c.

/** The one's complement sum of 16-bit words. */
export function sum(bytes: Buffer, start = 0): number {
  let total = start;
  for (let at = 0; at < bytes.length; at += 2) total += bytes.readUInt8(at) * 256 + (bytes[at + 1] ?? 0);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}

/** Source and destination of an IP header. */
export const addressesOf = (ip: Buffer): Buffer =>
  ip.readUInt8(0) >> 4 === 6 ? ip.subarray(8, 40) : ip.subarray(12, 20);

/** The sum that a transport's checksum begins with; ICMP for IPv4 has no pseudo header. */
export const pseudoSum = (ip: Buffer, protocol: number, length: number): number =>
  protocol === 1 ? 0 : sum(addressesOf(ip), protocol + length);

/** Bit by bit, as RFC 9260 defines it. */
export function crc32c(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}
