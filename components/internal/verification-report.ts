// SPDX-License-Identifier: Apache-2.0
// The result of a verification as the command line reports it, and as a table for a person.

/** One check on one node. */
export interface VerificationCheck {
  /** Name of the check. */
  name: string;
  /** The node it is about; `*` when it is about the whole cluster. */
  node: string;
  /** Whether it passed. */
  passed: boolean;
  /** What was seen. */
  observed: string;
  /** How long it took, in milliseconds. */
  durationMs: number;
}

/** The result of a verification. */
export interface VerificationResult {
  /** Whether every check passed. */
  passed: boolean;
  /** How long all of it took, in milliseconds. */
  durationMs: number;
  /** Each check on each node. */
  checks: VerificationCheck[];
}

/** Reads the report; an update never ends well on one that is not there or did not pass. */
export function parseReport(text: string): VerificationResult {
  let report: Partial<VerificationResult>;
  try {
    report = JSON.parse(text) as Partial<VerificationResult>;
  } catch {
    throw new Error('The verification ended without a report; run "npx sansproxy verify" by hand to see what it says.');
  }
  if (report.passed !== true || !Array.isArray(report.checks)) {
    throw new Error(
      'The verification\'s report does not say that the cluster passed; run "npx sansproxy verify" by hand to see why.',
    );
  }
  return report as VerificationResult;
}

/** One line per check: result, name, node, time, and what was seen. */
export function reportTable(result: VerificationResult): string {
  const rows = [
    ["", "CHECK", "NODE", "TIME", "SEEN"],
    ...result.checks.map((check) => [
      check.passed ? "ok" : "FAILED",
      check.name,
      check.node === "*" ? "(cluster)" : check.node,
      `${check.durationMs} ms`,
      check.observed,
    ]),
  ];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
