// SPDX-License-Identifier: Apache-2.0
// What is asked of every implementation, and what may come of it.
import type { Protocol } from "./wire/socket.ts";

/**
 * `pod` and `host` open sockets, `sandbox` is a pod whose packets are served instead, `outside` sends packets to the
 * node's device. SCTP, of which the kernel may have no sockets, all of them send as packets.
 */
export type From = "pod" | "sandbox" | "host" | "outside";

export interface Probe {
  readonly from: From;
  readonly protocol: Protocol;
  readonly address: string;
  readonly port: number;
  /** Of `outside` only; the others have their own. */
  readonly source?: string;
  /** What kind of destination it is, for the summary. */
  readonly target: string;
}

/** What happened to one packet. `untouched`: it went on to the address it was sent to. */
export type Fate =
  | { readonly kind: "backend"; readonly backend: string; readonly sourceKept: boolean }
  | { readonly kind: "refused" | "dropped" | "untouched" };

/** All that happened to a probe that was sent many times by one client. */
export type Observed = readonly Fate[];

export type Verdict = "refused" | "dropped" | "untouched";

export interface Expected {
  /** `address:port` of every endpoint that new connections may be given; all of them have to be seen. */
  readonly backends: readonly string[];
  /** Verdicts that are as good; with no backends the only ones. */
  readonly verdicts: readonly Verdict[];
  /** The backend must see the client's own address. */
  readonly keepsSource: boolean;
  /** One client is given one backend. */
  readonly sticky: boolean;
  /** The address is a load balancer's and has source ranges of its family. */
  readonly ranged: boolean;
  /** What holds for a proxy that serves the probe although it need not. */
  readonly ifServed?: Expected;
  /** The rule that led here, for people. */
  readonly because: string;
}

/** An address and port as one text; IPv6 in brackets. */
export const endpointText = (address: string, port: number): string =>
  address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
