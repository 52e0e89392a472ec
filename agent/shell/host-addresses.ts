// SPDX-License-Identifier: Apache-2.0
// Finds the addresses of a host's name, however long that takes.

import { lookup } from "node:dns/promises";
import { setTimeout as pause } from "node:timers/promises";
import { Backoff, type BackoffLimits } from "./backoff.ts";

export interface HostAddressesOptions {
  readonly signal: AbortSignal;
  readonly look?: (host: string) => Promise<readonly { readonly address: string }[]>;
  readonly retry?: BackoffLimits;
}

const RETRY = { firstMs: 500, limitMs: 30_000 };

/** Those of an address are itself. A name without any yet is asked for again; none when it is told to stop. */
export async function hostAddresses(
  host: string,
  { signal, look = (name) => lookup(name, { all: true }), retry = RETRY }: HostAddressesOptions,
): Promise<string[]> {
  const backoff = new Backoff(retry);
  while (!signal.aborted) {
    const found = await look(host).catch(() => []);
    if (found.length > 0) return found.map(({ address }) => address);
    // A pause ends early when it is told to stop.
    await pause(backoff.nextMs(), undefined, { signal }).catch(() => undefined);
  }
  return [];
}
