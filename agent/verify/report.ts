// SPDX-License-Identifier: Apache-2.0
// What a verification says: one line per check and node, and whether the whole passed.

export interface Check {
  readonly name: string;
  /** The node the check is about; `WHOLE_CLUSTER` when it is about no single node. */
  readonly node: string;
  readonly passed: boolean;
  /** What was seen, in words: also for a check that passed. */
  readonly observed: string;
  readonly durationMs: number;
}

export interface Report {
  readonly passed: boolean;
  readonly durationMs: number;
  readonly checks: readonly Check[];
}

export const WHOLE_CLUSTER = "*";

/** A report passes only when it has checks and all of them passed. */
export const summarise = (checks: readonly Check[], durationMs: number): Report => ({
  passed: checks.length > 0 && checks.every((check) => check.passed),
  durationMs: Math.round(durationMs),
  checks,
});

export const describeFailure = (check: Check): string =>
  `${check.name}, ${check.node === WHOLE_CLUSTER ? "whole cluster" : `node ${check.node}`}: ${check.observed}`;
