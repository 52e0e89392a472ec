// SPDX-License-Identifier: Apache-2.0
// IP addresses and CIDRs as the 16 bytes that the maps hold: IPv6, or IPv4 mapped to ::ffff:a.b.c.d.

export const ADDRESS_BYTES = 16;

/** ::ffff:0.0.0.0 */
const v4Prefix = Buffer.from("00000000000000000000ffff00000000", "hex");
const V4_AT = 12;
const [DOT, ZERO, NINE] = [46, 48, 57];

export const isMappedV4 = (bytes: Buffer): boolean => bytes.compare(v4Prefix, 0, V4_AT, 0, V4_AT) === 0;

/** Dotted, without leading zeros: the number that its four bytes are, or undefined. No part of it becomes an object. */
function parseV4(text: string): number | undefined {
  let [address, byte, digits, dots] = [0, 0, 0, 0];
  for (let index = 0; index <= text.length; index++) {
    const code = index < text.length ? text.charCodeAt(index) : DOT;
    if (code === DOT) {
      if (digits === 0 || byte > 255) return undefined;
      address = address * 256 + byte;
      [byte, digits] = [0, 0];
      dots++;
    } else {
      if (code < ZERO || code > NINE || (digits > 0 && byte === 0) || digits === 3) return undefined;
      byte = byte * 10 + code - ZERO;
      digits++;
    }
  }
  return dots === 4 ? address : undefined;
}

/** The 16-bit groups of one side of `::`, with a dotted tail allowed; undefined when malformed. */
function parseGroups(text: string): number[] | undefined {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    const v4 = index === parts.length - 1 ? parseV4(part) : undefined;
    if (v4 !== undefined) groups.push(v4 >>> 16, v4 & 0xffff);
    else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return groups;
}

function parseV6(text: string): Buffer | undefined {
  const sides = text.split("::");
  if (sides.length > 2) return undefined;
  const head = parseGroups(sides[0] ?? "");
  const tail = sides.length === 2 ? parseGroups(sides[1] ?? "") : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (sides.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const bytes = Buffer.alloc(ADDRESS_BYTES);
  [...head, ...new Array<number>(missing).fill(0), ...tail].forEach((group, index) => {
    bytes.writeUInt16BE(group, index * 2);
  });
  return bytes;
}

/** The 16 bytes of an address in text; throws `RangeError` for what is none. */
export function parseAddress(text: string): Buffer {
  const bytes = Buffer.alloc(ADDRESS_BYTES);
  writeAddress(text, bytes);
  return bytes;
}

/** Puts the 16 bytes at the beginning of `into`. */
export function writeAddress(text: string, into: Buffer): void {
  const v4 = parseV4(text);
  if (v4 === undefined) {
    const bytes = parseV6(text);
    if (bytes === undefined) throw new RangeError(`"${text}" is not an IPv4 or IPv6 address`);
    bytes.copy(into);
    return;
  }
  for (let at = 0; at < V4_AT; at++) into[at] = v4Prefix[at] ?? 0;
  into.writeUInt32BE(v4, V4_AT);
}

/** The canonical text: dotted for IPv4, RFC 5952 for IPv6. */
export function formatAddress(bytes: Buffer): string {
  if (isMappedV4(bytes)) return bytes.subarray(12).join(".");
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
  let best = { at: -1, length: 1 };
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (groups[at + length] === "0") length++;
    if (length > best.length) best = { at, length };
  }
  if (best.at < 0) return groups.join(":");
  return `${groups.slice(0, best.at).join(":")}::${groups.slice(best.at + best.length).join(":")}`;
}

export interface Cidr {
  readonly address: Buffer;
  /** Of the 128-bit form: an IPv4 /24 has 120. */
  readonly prefixBits: number;
}

/** A CIDR with its host bits cleared; throws `RangeError` for what is none. */
export function parseCidr(text: string): Cidr {
  const match = /^([^/]+)\/(\d{1,3})$/.exec(text);
  const address = match?.[1] === undefined ? undefined : parseAddress(match[1]);
  const bits = Number(match?.[2]);
  if (address === undefined) throw new RangeError(`"${text}" is not a CIDR such as 10.244.0.0/16`);
  const prefixBits = isMappedV4(address) ? bits + 96 : bits;
  if (prefixBits > 128) throw new RangeError(`the prefix length of "${text}" is longer than its address`);
  return shortened({ address, prefixBits }, prefixBits);
}

/** The network of that length around a CIDR. */
export function shortened(cidr: Cidr, prefixBits: number): Cidr {
  const address = Buffer.from(cidr.address);
  address.fill(0, Math.ceil(prefixBits / 8));
  const [at, kept] = [prefixBits >> 3, prefixBits & 7];
  if (kept > 0) address[at] = (address[at] ?? 0) & (0xff << (8 - kept));
  return { address, prefixBits };
}
