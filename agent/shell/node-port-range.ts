// SPDX-License-Identifier: Apache-2.0
// Finds out whether this machine may give a NodePort to a program that asks for any free port.

import { readFileSync } from "node:fs";

interface PortRange {
  readonly first: number;
  readonly last: number;
}

/**
 * The ports of the NodePort range that the kernel may hand out on its own; a connection from one of them could not be
 * told from one to the NodePort. Empty when net.ipv4.ip_local_port_range is elsewhere, or all are reserved.
 */
function ephemeralNodePorts(range: PortRange, procSys = "/proc/sys"): PortRange[] {
  const read = (name: string) => readFileSync(`${procSys}/net/ipv4/${name}`, "utf8").trim();
  const [low = 0, high = 0] = read("ip_local_port_range").split(/\s+/).map(Number);
  const first = Math.max(range.first, low);
  const last = Math.min(range.last, high);
  const reserved = read("ip_local_reserved_ports").split(",").filter(Boolean).map(rangeOf);
  let open: PortRange[] = first <= last ? [{ first, last }] : [];
  for (const taken of reserved) open = open.flatMap((each) => without(each, taken));
  return open;
}

function rangeOf(text: string): PortRange {
  const [first = 0, last = first] = text.split("-").map(Number);
  return { first, last };
}

function without(range: PortRange, taken: PortRange): PortRange[] {
  if (taken.last < range.first || taken.first > range.last) return [range];
  const before = { first: range.first, last: taken.first - 1 };
  const after = { first: taken.last + 1, last: range.last };
  return [before, after].filter(({ first, last }) => first <= last);
}

/** What the operator should do about it; undefined when all is well. */
export function nodePortAdvice(range: PortRange, procSys?: string): string | undefined {
  const open = ephemeralNodePorts(range, procSys).map(({ first, last }) =>
    first === last ? first : `${first}-${last}`,
  );
  if (open.length === 0) return undefined;
  return (
    `the kernel hands out ports ${open.join(",")} of the NodePort range to programs that ask for any: ` +
    `set net.ipv4.ip_local_reserved_ports=${range.first}-${range.last} in /etc/sysctl.d on the node`
  );
}
