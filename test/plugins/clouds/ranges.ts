// SPDX-License-Identifier: Apache-2.0
// Compares IPv4 ranges: a subnet lies in its network and not over another one.
import { BlockList, isIPv4 } from "node:net";

interface Range {
  readonly network: string;
  readonly length: number;
}

/** `a.b.c.d/n` taken apart; undefined for anything else. */
export const parseRange = (text: string): Range | undefined => {
  const match = /^([\d.]+)\/(\d{1,2})$/.exec(text);
  const [network = "", length = ""] = match?.slice(1) ?? [];
  return isIPv4(network) && Number(length) <= 32 ? { network, length: Number(length) } : undefined;
};

const contains = (outer: Range, inner: Range): boolean => {
  const list = new BlockList();
  list.addSubnet(outer.network, outer.length, "ipv4");
  return inner.length >= outer.length && list.check(inner.network);
};

/** True when `inner` lies wholly in `outer`. */
export const within = (outer: string, inner: string): boolean => {
  const [large, small] = [parseRange(outer), parseRange(inner)];
  return large !== undefined && small !== undefined && contains(large, small);
};

export const overlap = (one: string, other: string): boolean => within(one, other) || within(other, one);
