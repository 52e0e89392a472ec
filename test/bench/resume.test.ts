// SPDX-License-Identifier: Apache-2.0
// Proves what a bench that goes on takes over from the run before, and when it refuses to.
import { expect, test } from "vitest";
import { parseOptions } from "./options.ts";
import { type Environment, measured, RESULTS_VERSION, type Results, type Subject } from "./results.ts";
import { goOn } from "./resume.ts";
import { suites } from "./suites/index.ts";

const environment: Environment = {
  ...{ date: "2026-01-01", kernel: "6.12", cpu: "some", cpus: 2, memoryGb: 24, node: "24", clang: "16" },
  ...{ iptables: "1.8.9", nft: "1.0.6", kubeProxy: "1.36.3", commit: "abc", loadBefore: 0, loadAfter: 0 },
};
const subject = (suite: string): Subject => ({
  ...{ suite, what: "time", setup: "ours", services: 100, unit: "ms", better: "less" },
});
const earlier: Results = {
  ...{ version: RESULTS_VERSION, quick: false, rounds: 3, environment },
  suites: [
    { name: "programs", seconds: 10 },
    { name: "control", seconds: 20, error: "nobody answered" },
  ],
  measurements: [measured(subject("programs"), [[1]]), measured(subject("control"), [[2]])],
};
const options = (...argv: string[]) => parseOptions(["--resume", ...argv], suites);

test("a suite that ended is taken over, and one that failed is measured anew as a whole", () => {
  const { suites, measurements } = goOn(earlier, environment, options("--rounds", "3"));
  expect(suites.map(({ name }) => name)).toEqual(["programs"]);
  expect(measurements.map(({ suite }) => suite)).toEqual(["programs"]);
});

test("results of another commit, kernel or kube-proxy are refused", () => {
  for (const key of ["commit", "kernel", "kubeProxy"] as const)
    expect(() => goOn(earlier, { ...environment, [key]: "other" }, options("--rounds", "3"))).toThrow(
      `the earlier run had ${key} ${environment[key]}, this one has other`,
    );
});

test("results of another number of rounds, or of --quick, are refused", () => {
  expect(() => goOn(earlier, environment, options("--rounds", "4"))).toThrow("the earlier run was --rounds 3");
  expect(() => goOn(earlier, environment, options("--quick", "--rounds", "3"))).toThrow("was --rounds 3");
});
