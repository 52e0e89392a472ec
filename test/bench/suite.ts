// SPDX-License-Identifier: Apache-2.0
// What a suite is given and gives back.
import type { Measurement } from "./results.ts";

export interface SuiteOptions {
  /** Small sizes and few samples: shows that everything works, and nothing about speed. */
  readonly quick: boolean;
  /** Numbers of Services to measure with; each suite leaves out what makes no sense for it. */
  readonly services: readonly number[];
  readonly rounds: number;
  /** Without kube-proxy, where a suite's measurements of ours make sense by themselves. */
  readonly alone: boolean;
  readonly objectsDir: string;
  /** Says what is being done now. */
  readonly note: (text: string) => void;
}

export interface Suite {
  readonly name: string;
  readonly what: string;
  /** Numbers of Services when none are asked for. */
  readonly services: readonly number[];
  /** Calls `add` for each measurement as it is finished, so that a failure later loses none. */
  run(options: SuiteOptions, add: (measurement: Measurement) => void): Promise<void>;
}

/** The measurement is nonsense: somebody else answered, or nobody did. Never thrown for a time. */
export class Nonsense extends Error {
  override readonly name = "Nonsense";
}

/** nftables mode holds a CPU for minutes when it loads more than this. */
export const MOST_SERVICES_OF_NFTABLES = 3_000;
/** iptables mode loads for longer than a measurement should take above this. */
export const MOST_SERVICES_OF_IPTABLES = 30_000;
