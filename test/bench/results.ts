// SPDX-License-Identifier: Apache-2.0
// The shape of a result file, and the questions that targets, report and comparison ask of it.
import { pairedRatio, type Ratio, type Summary, summarize } from "./statistics.ts";

/** Layout of the file; a comparison refuses another. */
export const RESULTS_VERSION = 1;

export type Unit = "ns" | "µs" | "ms" | "s" | "MB" | "per second" | "share" | "count" | "Mpps";

export interface Measurement {
  readonly suite: string;
  /** What was measured, such as `connect`. */
  readonly what: string;
  /** Who served, such as `ours` or `iptables`. */
  readonly setup: string;
  readonly services: number;
  /** Endpoints of each Service. */
  readonly endpoints?: number;
  /** Which Service was asked. */
  readonly position?: string;
  readonly unit: Unit;
  readonly better: "less" | "more";
  /** Over all samples. */
  readonly summary: Summary;
  /** One value for each round, in order; round i of every setup ran side by side. */
  readonly rounds: readonly number[];
  /** CPU seconds of the measured process over the whole measurement, where that says something. */
  readonly cpuSeconds?: number;
  readonly note?: string;
}

export interface Environment {
  readonly date: string;
  readonly kernel: string;
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryGb: number;
  readonly node: string;
  readonly clang: string;
  readonly iptables: string;
  readonly nft: string;
  readonly kubeProxy: string;
  readonly commit: string;
  /** One-minute load average as the run began: above the number of CPUs the box was busy with other things. */
  readonly loadBefore: number;
  readonly loadAfter: number;
}

export interface SuiteRun {
  readonly name: string;
  readonly seconds: number;
  /** Why it has no results, or not all. */
  readonly error?: string;
}

export interface Results {
  readonly version: number;
  readonly quick: boolean;
  /** How many were asked for. */
  readonly rounds: number;
  readonly environment: Environment;
  readonly suites: readonly SuiteRun[];
  readonly measurements: readonly Measurement[];
}

export type Query = Partial<Pick<Measurement, "suite" | "what" | "setup" | "services" | "position">>;

const matches = (measurement: Measurement, query: Query): boolean =>
  Object.entries(query).every(([key, value]) => measurement[key as keyof Query] === value);

export const select = (results: Pick<Results, "measurements">, query: Query): Measurement[] =>
  results.measurements.filter((measurement) => matches(measurement, query));

/** The one that matches; undefined when it was not measured. Throws when the question has two answers. */
export function find(results: Pick<Results, "measurements">, query: Query): Measurement | undefined {
  const [one, ...more] = select(results, query);
  if (more.length > 0) throw new Error(`${more.length + 1} measurements match ${JSON.stringify(query)}: ask for one`);
  return one;
}

export const ratioOf = (a: Measurement, b: Measurement): Ratio => pairedRatio(a.rounds, b.rounds);

/** Everything about a measurement but its numbers. */
export type Subject = Omit<Measurement, "summary" | "rounds">;

/** Samples of several rounds; each round's median is what is paired with other setups'. */
export function measured(subject: Subject, rounds: readonly (readonly number[])[]): Measurement {
  return { ...subject, summary: summarize(rounds.flat()), rounds: rounds.map((round) => summarize(round).median) };
}

/** What names a measurement across runs. */
export const identity = ({ suite, what, setup, services, endpoints, position }: Measurement): string =>
  [suite, what, setup, services, endpoints ?? "", position ?? ""].join("/");
