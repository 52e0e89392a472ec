// SPDX-License-Identifier: Apache-2.0
// What changed since an earlier run: each measurement that both have, with a change beyond both runs' own spread marked.
import { readFileSync } from "node:fs";
import { identity, type Measurement, RESULTS_VERSION, type Results } from "../results.ts";

export interface Change {
  readonly name: string;
  readonly unit: string;
  readonly before: number;
  readonly after: number;
  /** After to before. */
  readonly ratio: number;
  /** `same`: within what the rounds of either run differed by. */
  readonly verdict: "better" | "worse" | "same";
}

export interface Comparison {
  readonly before: string;
  readonly after: string;
  readonly changes: readonly Change[];
  /** In one of the runs only. */
  readonly unmatched: number;
  /** Differences that make times incomparable, such as another kernel. */
  readonly warnings: readonly string[];
}

/** Throws for a file that is no result file of this layout. */
export function readResults(path: string): Results {
  const results = JSON.parse(readFileSync(path, "utf8")) as Partial<Results>;
  if (results.version !== RESULTS_VERSION || results.measurements === undefined)
    throw new Error(
      `${path} is no result file of layout ${RESULTS_VERSION}: measure again with that version of the bench`,
    );
  return results as Results;
}

const least = (values: readonly number[]): number => Math.min(...values);
const most = (values: readonly number[]): number => Math.max(...values);

function change(before: Measurement, after: Measurement): Change {
  const overlap = least(before.rounds) <= most(after.rounds) && least(after.rounds) <= most(before.rounds);
  const [then, now] = [before.summary.median, after.summary.median];
  const improved = after.better === "less" ? now < then : now > then;
  const verdict = overlap ? "same" : improved ? "better" : "worse";
  return { name: identity(after), unit: after.unit, before: then, after: now, ratio: now / then, verdict };
}

export function compareResults(before: Results, after: Results): Comparison {
  const earlier = new Map(before.measurements.map((one) => [identity(one), one]));
  const changes: Change[] = [];
  for (const one of after.measurements) {
    const then = earlier.get(identity(one));
    if (then !== undefined) changes.push(change(then, one));
  }
  const unmatched = before.measurements.length + after.measurements.length - 2 * changes.length;
  const warnings = (["kernel", "cpu", "cpus", "kubeProxy"] as const)
    .filter((fact) => before.environment[fact] !== after.environment[fact])
    .map((fact) => `${fact}: ${before.environment[fact]} then, ${after.environment[fact]} now`);
  if (before.quick || after.quick) warnings.push("a quick run says nothing about speed");
  return { before: before.environment.date, after: after.environment.date, changes, unmatched, warnings };
}

export function comparisonText({ before, changes, unmatched, warnings }: Comparison): string {
  const moved = changes.filter(({ verdict }) => verdict !== "same");
  const rows = moved.map(
    ({ name, unit, before: then, after, ratio, verdict }) =>
      `${verdict.padEnd(6)} ${ratio.toFixed(3)}  ${name}: ${then.toPrecision(4)} → ${after.toPrecision(4)} ${unit}\n`,
  );
  const head = `since ${before}: ${moved.length} of ${changes.length} measurements moved, ${unmatched} are in one run only\n`;
  return [head, ...warnings.map((warning) => `beware: ${warning}\n`), ...rows].join("");
}
