// SPDX-License-Identifier: Apache-2.0
// The one line in which a probe reports: written by the probe to its log, found there again by the runner.
import type { AgentStatus } from "./agent-status.ts";
import type { Check } from "./report.ts";

export interface ProbeReport {
  readonly checks: readonly Check[];
  /** Samples of the agent's state, taken last; only a host probe takes them. */
  readonly agent: readonly AgentStatus[];
}

const MARK = "sansproxy-probe-report ";

export const formatProbeReport = (report: ProbeReport): string => `${MARK}${JSON.stringify(report)}\n`;

/** Undefined when the log holds no complete report. */
export const findProbeReport = (log: string): ProbeReport | undefined => {
  const line = log.split("\n").findLast((text) => text.startsWith(MARK));
  if (line === undefined) return undefined;
  try {
    const value = JSON.parse(line.slice(MARK.length)) as Partial<ProbeReport>;
    return Array.isArray(value.checks) && Array.isArray(value.agent) ? (value as ProbeReport) : undefined;
  } catch {
    return undefined;
  }
};
