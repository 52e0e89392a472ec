// SPDX-License-Identifier: Apache-2.0
// Writes the results of a run for people (a Markdown table) and for programs (JUnit).
import type { Result } from "./suite.ts";

export interface Outcome {
  readonly kubernetesVersion: string;
  readonly startedAt: string;
  readonly seconds: number;
  readonly results: readonly Result[];
  readonly notPossible: readonly { readonly name: string; readonly reason: string }[];
  /** Selected tests that an interruption kept from starting. */
  readonly notRun: number;
}

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  /** Skipped by a condition of the suite's own, or not possible here. */
  readonly skipped: number;
}

export function count({ results, notPossible }: Outcome): Counts {
  const of = (state: Result["state"]) => results.filter((result) => result.state === state).length;
  return { passed: of("passed"), failed: of("failed"), skipped: of("skipped") + notPossible.length };
}

export function closingLine(counts: Counts): string {
  return `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`;
}

/** A line that says so when a run was interrupted. */
export const unfinished = ({ notRun }: Outcome): string =>
  notRun === 0 ? "" : `The run was interrupted: ${notRun} more tests were not begun.\n`;

/** The table of every test by name; failures first, since they are what a reader looks for. */
export function markdown(outcome: Outcome): string {
  const { kubernetesVersion, startedAt, seconds, results, notPossible } = outcome;
  const order = { failed: 0, passed: 1, skipped: 2 } as const;
  const sorted = [...results].sort((a, b) => order[a.state] - order[b.state] || a.name.localeCompare(b.name));
  const rows = sorted.map((result) => row(result.name, word(result.state), result.seconds.toFixed(0), result.message));
  const impossible = notPossible.map(({ name, reason }) => row(name, "not possible here", "", reason));
  return [
    "# Kubernetes' own network tests",
    "",
    `Kubernetes ${kubernetesVersion}, begun ${startedAt}, ${(seconds / 60).toFixed(0)} min: ${closingLine(count(outcome))}.`,
    unfinished(outcome),
    "| Test | Result | Seconds | Why |",
    "|---|---|---:|---|",
    ...rows,
    ...impossible,
    "",
  ].join("\n");
}

const word = (state: Result["state"]): string => (state === "failed" ? "**failed**" : state);

const longestReason = 400;

function row(name: string, result: string, seconds: string, message: string): string {
  const text = message.replace(/\s+/g, " ").trim();
  const why = text.length > longestReason ? `${text.slice(0, longestReason)} …` : text;
  return `| ${cell(name)} | ${result} | ${seconds} | ${cell(why)} |`;
}

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("<", "&lt;");

export function junit(outcome: Outcome): string {
  const { passed, failed, skipped } = count(outcome);
  const attributes = `tests="${passed + failed + skipped}" failures="${failed}" skipped="${skipped}"`;
  const time = `timestamp="${outcome.startedAt}" time="${outcome.seconds.toFixed(1)}"`;
  const cases = outcome.results.map(testCase);
  const impossible = outcome.notPossible.map(({ name, reason }) =>
    testCase({ name, state: "skipped", seconds: 0, message: reason, log: "" }),
  );
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites ${attributes}>`,
    `<testsuite name="Kubernetes e2e ${xml(outcome.kubernetesVersion)}" ${attributes} ${time}>`,
    ...cases,
    ...impossible,
    "</testsuite>",
    "</testsuites>",
    "",
  ].join("\n");
}

function testCase({ name, state, seconds, message }: Result): string {
  const head = `<testcase classname="${xml(groupOf(name))}" name="${xml(name)}" time="${seconds.toFixed(1)}"`;
  if (state === "passed") return `${head}/>`;
  const inner = state === "failed" ? "failure" : "skipped";
  return `${head}><${inner} message="${xml(message)}"/></testcase>`;
}

/** `[sig-network] Services should ...` belongs to `sig-network.Services`. */
function groupOf(name: string): string {
  const [, sig, rest = ""] = /^\[([^\]]+)\] (.*)$/.exec(name) ?? [];
  return sig === undefined ? name : `${sig}.${rest.split(/ (?:should|\[|validates|proxy implementation|A set)/)[0]}`;
}

function xml(text: string): string {
  const clean = [...text].filter((letter) => letter >= " " || letter === "\n" || letter === "\t").join("");
  return clean
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("\n", "&#10;");
}
