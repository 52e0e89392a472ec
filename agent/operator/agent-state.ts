// SPDX-License-Identifier: Apache-2.0
// Asks this node's agent for its state, over the loopback; the shapes are those of the agent's /state.

import type { AccelerationState } from "../core/acceleration.ts";
import type { Explanation } from "../core/explanation.ts";
import type { LoadBalancing } from "../core/load-balancing.ts";
import type { Problem } from "../core/problem.ts";

export interface AgentState {
  readonly node: string;
  readonly ready: boolean;
  readonly stuck: boolean;
  readonly reason: string;
  readonly services: number;
  readonly hostPorts: number;
  readonly frontends: number;
  readonly endpoints: number;
  readonly pending: number;
  readonly lastSync?: string;
  readonly network?: {
    readonly socketLb: boolean;
    readonly bindProtection: boolean;
    /** Families. */
    readonly masquerade: readonly number[];
    readonly masqueradeAddresses: readonly string[];
    readonly nodeAddresses: readonly string[];
    readonly nodePortRange: { readonly first: number; readonly last: number };
    /** Those of this node's addresses at which NodePorts are served: all, or what the networks hold. */
    readonly nodePortAddresses: readonly string[];
    readonly nodePortCidrs: readonly string[];
    readonly devices: readonly string[];
  };
  readonly loadBalancing: Required<Pick<LoadBalancing, "mode" | "algorithm">>;
  readonly terminatePodConnections: boolean;
  readonly acceleration: AccelerationState;
  readonly maps: readonly { readonly map: string; readonly used: number; readonly capacity: number }[];
  /** Entries that were found changed by others and repaired, since the agent started. */
  readonly drift: number;
  readonly problems: readonly Problem[];
  readonly counters: Readonly<Record<string, number>>;
}

export interface ListedService {
  readonly name: string;
  /** Reasons why it is not served as asked. */
  readonly problems: readonly string[];
  readonly frontends: readonly {
    readonly address: string;
    readonly port: number;
    readonly protocol: number;
    readonly scope: string;
    /** It is in the kernel. */
    readonly isServed: boolean;
    readonly inside: number;
    readonly outside: number;
  }[];
}

export interface AgentAnswers {
  "/state": AgentState;
  "/state/services": { readonly services: readonly ListedService[] };
  "/state/explain": { readonly frontends: readonly Explanation[]; readonly nodePortCidrs: readonly string[] };
}

const TIMEOUT_MS = 10_000;

/** `port` is the agent's HTTP port on this machine's loopback. */
export async function askAgent<P extends keyof AgentAnswers>(
  port: number,
  path: P,
  query: Readonly<Record<string, string>> = {},
): Promise<AgentAnswers[P]> {
  const url = `http://127.0.0.1:${port}${path}?${new URLSearchParams(query)}`;
  let response: Response;
  try {
    response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (error) {
    const { cause, message } = error as Error;
    const why = (cause as NodeJS.ErrnoException | undefined)?.code ?? message;
    throw new Error(
      `no agent answers at 127.0.0.1:${port} (${why}); run this on a node, or in the agent's Pod: kubectl -n kube-system exec ds/sansproxy -- sansproxy status`,
    );
  }
  if (!response.ok) throw new Error(`the agent answered ${response.status} to ${path}: ${await response.text()}`);
  return (await response.json()) as AgentAnswers[P];
}
