// SPDX-License-Identifier: Apache-2.0
// An address and a port to listen at, as values of charts write them: `ADDRESS:PORT`, with brackets around an IPv6 address.

import { isIPv4, isIPv6 } from "node:net";

/** The port, or `undefined` when the text is not an address and a port. */
export function listeningPort(text: unknown): number | undefined {
  const match = typeof text === "string" ? /^(?:\[(.*)\]|(.*)):(\d{1,5})$/.exec(text) : null;
  const port = Number(match?.[3] ?? 0);
  if (!isIPv6(match?.[1] ?? "") && !isIPv4(match?.[2] ?? "")) return undefined;
  return port >= 1 && port <= 65535 ? port : undefined;
}
