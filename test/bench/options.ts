// SPDX-License-Identifier: Apache-2.0
// The command line of the bench, and what it refuses.
import { parseArgs } from "node:util";
import type { Suite } from "./suite.ts";

export interface BenchOptions {
  readonly help: boolean;
  readonly quick: boolean;
  /** Names of suites; all when empty. */
  readonly only: readonly string[];
  /** Numbers of Services; each suite's own when empty. */
  readonly services: readonly number[];
  readonly rounds: number;
  readonly alone: boolean;
  /** An earlier result file. */
  readonly compare: string | undefined;
  /** Measure nothing, and draw what this result file holds. */
  readonly draw: string | undefined;
  /** Also write the README's pictures and its part about speed. */
  readonly readme: boolean;
  /** Go on with the result file that an ended run left in `out`: measure only what it has not. */
  readonly resume: boolean;
  /** The folder for results.json, report.html and the plots. */
  readonly out: string;
}

/** What is wrong with the command line, and what would be right. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

const MOST_SERVICES = 100_000;
const ROUNDS = { full: 7, quick: 2 };
/** What suites are called by what they show, too. */
const ALIASES: Readonly<Record<string, string>> = { latency: "connect", xdp: "forwarding" };

export function parseOptions(argv: readonly string[], suites: readonly Pick<Suite, "name">[]): BenchOptions {
  const values = parse(argv);
  const only = listOf(values.only).map((name) => ALIASES[name] ?? name);
  const names = suites.map(({ name }) => name);
  const unknown = only.filter((name) => !names.includes(name));
  if (unknown.length > 0) throw new UsageError(`--only ${unknown.join(",")}: choose from ${names.join(", ")}`);
  const quick = values.quick ?? false;
  if (values.readme && (quick || only.length > 0))
    throw new UsageError("--readme: goes with all suites in full; leave out --quick and --only");
  return {
    help: values.help ?? false,
    quick,
    only,
    services: listOf(values.services).map((text) => wholeNumber("--services", text, MOST_SERVICES)),
    rounds:
      values.rounds === undefined ? (quick ? ROUNDS.quick : ROUNDS.full) : wholeNumber("--rounds", values.rounds, 100),
    alone: values.alone ?? false,
    compare: values.compare,
    draw: values.draw,
    readme: values.readme ?? false,
    resume: values.resume ?? false,
    out: values.out ?? ".build/bench",
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: argv.filter((argument) => argument !== "--"),
      options: {
        help: { type: "boolean", short: "h" },
        quick: { type: "boolean" },
        alone: { type: "boolean" },
        only: { type: "string" },
        services: { type: "string" },
        rounds: { type: "string" },
        compare: { type: "string" },
        draw: { type: "string" },
        readme: { type: "boolean" },
        resume: { type: "boolean" },
        out: { type: "string" },
      },
    }).values;
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : error}; see --help`);
  }
}

const listOf = (text: string | undefined): string[] => (text ?? "").split(",").filter((part) => part !== "");

function wholeNumber(option: string, text: string, most: number): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > most)
    throw new UsageError(`${option} ${text}: must be a whole number from 1 to ${most}`);
  return number;
}

export function usage(suites: readonly Pick<Suite, "name" | "what" | "services">[]): string {
  const rows = suites.map(
    ({ name, what, services }) => `  ${name.padEnd(12)} ${what}\n${" ".repeat(15)}Services: ${services.join(", ")}`,
  );
  return `npm run bench -- [options]

Measures this datapath beside the real kube-proxy (iptables and nftables mode) and beside no load balancer at all, in
network namespaces of this box, interleaved. Needs root. Writes results.json, report.html and plots as SVG and PNG.

  --quick              small sizes and few samples, two to three minutes: shows that all works, says nothing about speed
  --only SUITE,...     only these suites; ${Object.entries(ALIASES)
    .map(([alias, name]) => `${alias} is ${name}`)
    .join(", ")}
  --services N,...     these numbers of Services instead of each suite's own
  --rounds N           rounds of each measurement (${ROUNDS.full}; with --quick ${ROUNDS.quick})
  --alone              the control suite without kube-proxy, for work on the agent
  --compare FILE       say what changed since an earlier results.json
  --draw FILE          measure nothing: make report and plots of an earlier results.json
  --readme             also write the README's pictures and figures; needs all suites
  --resume             go on with an ended or failed run's results.json: measure the suites that it lacks
  --out FOLDER         where the results go (.build/bench)

Suites:
${rows.join("\n")}
`;
}
