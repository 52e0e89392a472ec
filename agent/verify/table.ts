// SPDX-License-Identifier: Apache-2.0
// The report as a person reads it: a matrix of checks and nodes, and below it what was seen where a check failed.
import { columns } from "../operator/columns.ts";
import { describeFailure, type Report, WHOLE_CLUSTER } from "./report.ts";

const cell = (checks: readonly { passed: boolean; durationMs: number }[] | undefined): string => {
  if (checks === undefined) return "";
  const failed = checks.some((check) => !check.passed);
  return `${failed ? "FAILED" : "ok"} ${seconds(Math.max(...checks.map((check) => check.durationMs)))}`;
};

export const seconds = (durationMs: number): string =>
  durationMs < 1000 ? `${Math.round(durationMs)} ms` : `${(durationMs / 1000).toFixed(1)} s`;

/** Lines of text, no trailing newline. Columns are nodes; checks of the whole cluster have a column of their own. */
export const renderTable = (report: Report): string => {
  const nodes = [...new Set(report.checks.map((check) => check.node))].filter((node) => node !== WHOLE_CLUSTER).sort();
  const places = [WHOLE_CLUSTER, ...nodes].filter((node) => report.checks.some((check) => check.node === node));
  const byName = Map.groupBy(report.checks, (check) => check.name);
  const rows = [...byName].map(([name, checks]) => {
    const byNode = Map.groupBy(checks, (check) => check.node);
    return [name, ...places.map((node) => cell(byNode.get(node)))];
  });
  const header = ["CHECK", ...places.map((node) => (node === WHOLE_CLUSTER ? "CLUSTER" : node))];
  const failures = report.checks.filter((check) => !check.passed);
  const passedCount = report.checks.length - failures.length;
  return [
    ...(rows.length > 0 ? columns([header, ...rows]) : []),
    ...(failures.length > 0 ? ["", "Failed:", ...failures.map((check) => `  ${describeFailure(check)}`)] : []),
    "",
    `${report.passed ? "PASSED" : "FAILED"}: ${passedCount} of ${report.checks.length} checks passed ` +
      `on ${nodes.length} ${nodes.length === 1 ? "node" : "nodes"} in ${seconds(report.durationMs)}`,
  ].join("\n");
};
