// SPDX-License-Identifier: Apache-2.0
// What came of each stage of the tests, and the summary that closes a run.
import { readFileSync } from "node:fs";

/** What one stage came to; `failures` names what failed, as far as the stage knows names. */
export interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly failures: readonly string[];
}

export interface StageResult extends Outcome {
  readonly stage: string;
  readonly seconds: number;
}

export const outcome = (passed: number, failed: number, failures: readonly string[] = [], skipped = 0): Outcome => ({
  passed,
  failed,
  skipped,
  failures,
});

/** The part of vitest's JSON report (Jest's format) that is read here. */
interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages?: readonly string[] | null;
    }[];
  }[];
}

/**
 * Reads what a tier reported of itself.
 * A tier that ran nothing, wrote no report, or ended with another code than 0 has failed, whatever it counted.
 * @param path its JSON report; @param code its exit code; @param root the folder that its files are named from
 */
export function readOutcome(path: string, code: number, root: string): Outcome {
  let report: Report;
  try {
    report = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    return outcome(0, 1, [`no report: ${error instanceof Error ? error.message : error}`]);
  }
  const failures = report.testResults.flatMap((file) => {
    const name = file.name.startsWith(root) ? file.name.slice(root.length) : file.name;
    const failed = file.assertionResults.filter(({ status }) => status === "failed");
    // A file that could not be loaded, or whose set-up threw, fails with no test of its own.
    if (failed.length === 0 && file.status === "failed") return [`${name}: ${firstLine(file.message)}`];
    return failed.map((test) => `${name}: ${test.fullName}: ${firstLine(test.failureMessages?.[0] ?? "")}`);
  });
  if (report.numPassedTests + report.numFailedTests === 0) failures.push("it ran no test");
  else if (code !== 0 && failures.length === 0) failures.push(`it ended with code ${code}, by no test: see above`);
  const skipped = report.numPendingTests + report.numTodoTests;
  return outcome(report.numPassedTests, Math.max(report.numFailedTests, failures.length), failures, skipped);
}

const firstLine = (text: string): string => text.split("\n", 1)[0] ?? "";

/** A line for each stage, each failure by name, and one line that counts everything, last. */
export function summary(results: readonly StageResult[]): string {
  const total = (key: "passed" | "failed" | "skipped") => results.reduce((sum, result) => sum + result[key], 0);
  const rows = results.map(
    ({ stage, passed, failed, skipped, seconds }) =>
      `${failed === 0 ? "ok  " : "FAIL"} ${stage.padEnd(10)} ${String(passed).padStart(5)} passed ` +
      `${String(failed).padStart(3)} failed ${String(skipped).padStart(3)} skipped ${seconds.toFixed(0).padStart(6)} s`,
  );
  const named = results.flatMap(({ stage, failures }) => failures.map((failure) => `${stage}: ${failure}`));
  return [
    ...rows,
    "",
    ...(named.length === 0 ? [] : ["Failed:", ...named.map((line) => `  ${line}`), ""]),
    `${total("passed")} passed, ${total("failed")} failed, ${total("skipped")} skipped`,
  ].join("\n");
}
