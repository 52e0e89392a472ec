// SPDX-License-Identifier: Apache-2.0
// Reads IP addresses as Kubernetes objects spell them and gives each its one canonical text, so that equal addresses are equal keys.

export type IpFamily = 4 | 6;

export interface IpAddress {
  readonly family: IpFamily;
  /** IPv4 dotted, or IPv6 as RFC 5952 writes it. */
  readonly text: string;
}

/** The canonical address, or undefined when the text is not an address. */
export function parseIp(text: string): IpAddress | undefined {
  if (text.includes(":")) {
    const groups = parseGroups(text);
    return groups && { family: 6, text: formatGroups(groups) };
  }
  // What is read as dotted is in its one form already; its own text costs no other.
  return parseDotted(text) && { family: 4, text };
}

/** The family of an address or CIDR, or undefined when it is neither. */
export function familyOf(addressOrCidr: string): IpFamily | undefined {
  return parseIp(addressOrCidr.split("/", 1)[0] ?? "")?.family;
}

export interface Cidr {
  readonly family: IpFamily;
  /** Canonical: host bits are zero. */
  readonly text: string;
  readonly prefixBits: number;
}

/** The canonical network, or undefined when the text is none. */
export function parseCidr(text: string): Cidr | undefined {
  const [, address = "", bits] = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text) ?? [];
  const family = parseIp(address)?.family;
  const prefixBits = Number(bits);
  if (family === undefined || prefixBits > (family === 4 ? 32 : 128)) return undefined;
  const width = family === 4 ? 8 : 16;
  const parts = (family === 4 ? parseDotted(address) : parseGroups(address)) ?? [];
  const masked = parts.map((part, index) => {
    const kept = Math.max(0, Math.min(width, prefixBits - index * width));
    return part & (((1 << width) - 1) ^ ((1 << (width - kept)) - 1));
  });
  const network = family === 4 ? masked.join(".") : formatGroups(masked);
  return { family, text: `${network}/${prefixBits}`, prefixBits };
}

export const contains = (cidr: Cidr, address: IpAddress): boolean =>
  address.family === cidr.family && parseCidr(`${address.text}/${cidr.prefixBits}`)?.text === cidr.text;

function parseDotted(text: string): number[] | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  const bytes: number[] = [];
  for (const part of parts) {
    const byte = parseByte(part);
    if (byte === undefined) return undefined;
    bytes.push(byte);
  }
  return bytes;
}

/** Decimal, without leading zeros. */
function parseByte(text: string): number | undefined {
  if (text.length === 0 || text.length > 3 || (text.length > 1 && text.startsWith("0"))) return undefined;
  let byte = 0;
  for (let index = 0; index < text.length; index++) {
    const digit = text.charCodeAt(index) - 48;
    if (digit < 0 || digit > 9) return undefined;
    byte = byte * 10 + digit;
  }
  return byte > 255 ? undefined : byte;
}

function parseGroups(text: string): number[] | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = parseHalf(halves[0] ?? "", halves.length === 1);
  const tail = halves.length === 2 ? parseHalf(halves[1] ?? "", true) : [];
  if (!head || !tail) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  return [...head, ...new Array<number>(missing).fill(0), ...tail];
}

function parseHalf(text: string, last: boolean): number[] | undefined {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    const bytes = last && index === parts.length - 1 && part.includes(".") ? parseDotted(part) : undefined;
    if (bytes) {
      groups.push(((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0), ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0));
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      groups.push(Number.parseInt(part, 16));
    } else {
      return undefined;
    }
  }
  return groups;
}

function formatGroups(groups: readonly number[]): string {
  let best = { start: -1, length: 1 };
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (end < groups.length && groups[end] === 0) end++;
    if (end - start > best.length) best = { start, length: end - start };
  }
  const hex = groups.map((group) => group.toString(16));
  if (best.start < 0) return hex.join(":");
  return `${hex.slice(0, best.start).join(":")}::${hex.slice(best.start + best.length).join(":")}`;
}
