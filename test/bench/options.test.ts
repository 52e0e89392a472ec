// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { parseOptions, UsageError, usage } from "./options.ts";

const suites = [
  { name: "connect", what: "connections", services: [1, 10] },
  { name: "programs", what: "packets", services: [100] },
];

test("without arguments all suites run with their own sizes", () => {
  expect(parseOptions([], suites)).toMatchObject({ quick: false, alone: false, only: [], services: [], rounds: 7 });
});

test("lists are separated by commas", () => {
  const options = parseOptions(
    ["--", "--only", "connect,programs", "--services=100,10000", "--quick", "--alone"],
    suites,
  );
  expect(options).toMatchObject({
    only: ["connect", "programs"],
    services: [100, 10_000],
    quick: true,
    alone: true,
    rounds: 2,
  });
});

test("suites have names by what they show, too", () => {
  const all = [...suites, { name: "forwarding" }];
  expect(parseOptions(["--only", "latency,xdp"], all)).toMatchObject({ only: ["connect", "forwarding"] });
});

test.each([
  [["--only", "conect"], "choose from connect, programs"],
  [["--services", "0"], "whole number from 1"],
  [["--services", "1e9"], "to 100000"],
  [["--rounds", "2.5"], "whole number"],
  [["--fast"], "see --help"],
  [["--readme", "--quick"], "leave out --quick"],
  [["--readme", "--only", "connect"], "all suites in full"],
])("%j is refused with its remedy", (argv, remedy) => {
  expect(() => parseOptions(argv, suites)).toThrow(UsageError);
  expect(() => parseOptions(argv, suites)).toThrow(remedy);
});

test("the help names every suite", () => {
  for (const { name } of suites) expect(usage(suites)).toContain(name);
});
