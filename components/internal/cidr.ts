// SPDX-License-Identifier: Apache-2.0
// Arithmetic of IPv4 and IPv6 networks: parse, contain, overlap.

import { isIPv4, isIPv6 } from "node:net";

/** A network: its first address as a number, the length of its prefix, and its family. */
export interface Cidr {
  readonly family: 4 | 6;
  readonly base: bigint;
  readonly prefixLength: number;
}

function parseIPv4(text: string): bigint {
  return text.split(".").reduce((value, octet) => (value << 8n) | BigInt(octet), 0n);
}

function parseIPv6(text: string): bigint {
  const lastColon = text.lastIndexOf(":");
  const tail = text.slice(lastColon + 1);
  let words = text;
  if (tail.includes(".")) {
    const v4 = parseIPv4(tail);
    words = `${text.slice(0, lastColon + 1)}${(v4 >> 16n).toString(16)}:${(v4 & 0xffffn).toString(16)}`;
  }
  const [head = "", rest] = words.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = rest === undefined || rest === "" ? [] : rest.split(":");
  const zeros = rest === undefined ? [] : new Array<string>(8 - left.length - right.length).fill("0");
  return [...left, ...zeros, ...right].reduce((value, word) => (value << 16n) | BigInt(`0x${word}`), 0n);
}

/** The address as a number, or `undefined` when the text is not an IPv4 or IPv6 address. */
export function parseAddress(text: string): { family: 4 | 6; value: bigint } | undefined {
  if (isIPv4(text)) return { family: 4, value: parseIPv4(text) };
  if (isIPv6(text) && !text.includes("%")) return { family: 6, value: parseIPv6(text) };
  return undefined;
}

const width = (family: 4 | 6): number => (family === 4 ? 32 : 128);

function firstAddress(family: 4 | 6, value: bigint, prefixLength: number): bigint {
  const hostBits = BigInt(width(family) - prefixLength);
  return (value >> hostBits) << hostBits;
}

/** The network, or `undefined` when the text is not one in CIDR notation with no host bits set. */
export function parseCidr(text: string): Cidr | undefined {
  const match = /^([^/]+)\/(\d{1,3})$/.exec(text);
  const address = match?.[1] === undefined ? undefined : parseAddress(match[1]);
  if (address === undefined) return undefined;
  const prefixLength = Number(match?.[2]);
  if (prefixLength > width(address.family)) return undefined;
  if (firstAddress(address.family, address.value, prefixLength) !== address.value) return undefined;
  return { family: address.family, base: address.value, prefixLength };
}

/** Whether two networks share an address. */
export function overlaps(a: Cidr, b: Cidr): boolean {
  if (a.family !== b.family) return false;
  const shorter = Math.min(a.prefixLength, b.prefixLength);
  return firstAddress(a.family, a.base, shorter) === firstAddress(b.family, b.base, shorter);
}

/** Whether the address lies in the network. */
export function contains(network: Cidr, address: string): boolean {
  const parsed = parseAddress(address);
  if (parsed === undefined || parsed.family !== network.family) return false;
  return firstAddress(parsed.family, parsed.value, network.prefixLength) === network.base;
}

/** How many networks of `prefixLength` fit. */
export function subnetCount(network: Cidr, prefixLength: number): number {
  return prefixLength < network.prefixLength ? 0 : 2 ** (prefixLength - network.prefixLength);
}
