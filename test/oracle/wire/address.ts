// SPDX-License-Identifier: Apache-2.0
// IP addresses as bytes and as their canonical text.
import { isIPv6 } from "node:net";

const texts = new Map<string, string>();
const bytes = new Map<string, Buffer>();

/** 4 or 16 bytes; the text must be an address. */
export function toBytes(text: string): Buffer {
  const known = bytes.get(text);
  if (known !== undefined) return known;
  const made = isIPv6(text) ? v6Bytes(text) : Buffer.from(text.split(".").map(Number));
  if (made.length !== 4 && made.length !== 16) throw new Error(`"${text}" is no IP address`);
  bytes.set(text, made);
  return made;
}

function v6Bytes(text: string): Buffer {
  const [head = "", tail] = text.split("::");
  const groups = (part: string): number[] =>
    part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
  const [first, last] = [groups(head), groups(tail ?? "")];
  const all =
    tail === undefined ? first : [...first, ...new Array<number>(8 - first.length - last.length).fill(0), ...last];
  const result = Buffer.alloc(16);
  for (const [at, group] of all.entries()) result.writeUInt16BE(group, at * 2);
  return result;
}

/** IPv6 as RFC 5952 writes it. */
export function toText(address: Buffer): string {
  const key = address.toString("hex");
  const known = texts.get(key);
  if (known !== undefined) return known;
  const text = address.length === 4 ? address.join(".") : v6Text(key);
  texts.set(key, text);
  return text;
}

const v6Text = (hex: string): string => new URL(`http://[${hex.replace(/(.{4})(?=.)/g, "$1:")}]`).hostname.slice(1, -1);

/** Whether an address lies in `network/bits`; never for another family. */
export function isIn(address: string, cidr: string): boolean {
  const [network = "", length = ""] = cidr.split("/");
  const [a, b] = [toBytes(address), toBytes(network)];
  if (a.length !== b.length) return false;
  for (let bit = 0; bit < Number(length); bit++) {
    const mask = 0x80 >> (bit % 8);
    if (((a[bit >> 3] ?? 0) & mask) !== ((b[bit >> 3] ?? 0) & mask)) return false;
  }
  return true;
}
