// SPDX-License-Identifier: Apache-2.0
// What a run that goes on takes over from the one that ended before it.
import { type BenchOptions, UsageError } from "./options.ts";
import type { Environment, Measurement, Results, SuiteRun } from "./results.ts";

/** What has been measured so far; suites are pushed to it as they end. */
export interface Progress {
  readonly suites: SuiteRun[];
  readonly measurements: Measurement[];
}

export const nothing = (): Progress => ({ suites: [], measurements: [] });

/** What has to be the same, or the suites of one report would not be of one thing. */
const SAME = ["commit", "kernel", "cpu", "cpus", "node", "clang", "iptables", "nft", "kubeProxy"] as const;

/** The suites that were measured to their end, with all they measured; a failed one is measured anew as a whole. */
export function goOn(earlier: Results, environment: Environment, { quick, rounds }: BenchOptions): Progress {
  const other = SAME.find((key) => earlier.environment[key] !== environment[key]);
  if (other !== undefined)
    throw new UsageError(
      `--resume: the earlier run had ${other} ${earlier.environment[other]}, this one has ${environment[other]}: run it anew, without --resume`,
    );
  if (earlier.quick !== quick || earlier.rounds !== rounds)
    throw new UsageError(
      `--resume: the earlier run was ${described(earlier)}: ask for the same, or run it anew without --resume`,
    );
  const suites = earlier.suites.filter(({ error }) => error === undefined);
  const measurements = earlier.measurements.filter(({ suite }) => suites.some(({ name }) => name === suite));
  return { suites, measurements };
}

const described = ({ quick, rounds }: Results): string => `${quick ? "--quick " : ""}--rounds ${rounds}`;
