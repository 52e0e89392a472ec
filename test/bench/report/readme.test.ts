// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Measurement, measured, RESULTS_VERSION, type Results } from "../results.ts";
import { plots } from "./plots.ts";
import { withPart, writeReadme } from "./readme.ts";

const BEGIN = "<!-- bench: begin -->";
const END = "<!-- bench: end -->";

const measurement = (
  suite: string,
  what: string,
  setup: string,
  services: number,
  better: "less" | "more",
): Measurement => measured({ suite, what, setup, services, position: "last", unit: "ms", better }, [[1], [1.1]]);

const run: Results = {
  version: RESULTS_VERSION,
  quick: false,
  rounds: 7,
  environment: {
    ...{ date: "2026-01-01T00:00:00Z", kernel: "6.18", cpu: "one", cpus: 2, memoryGb: 24, node: "v24", clang: "16" },
    ...{ iptables: "1.8", nft: "1.0", kubeProxy: "v1.36.3", commit: "abc123", loadBefore: 0.5, loadAfter: 1 },
  },
  suites: [],
  measurements: [
    measurement("connect", "connect", "ours (socket)", 100, "less"),
    measurement("connect", "short connections", "ours (socket)", 1, "more"),
    measurement("connect", "short connections", "iptables", 1, "more"),
    measurement("control", "endpoint change", "ours", 100, "less"),
    measurement("forwarding", "established", "ours (xdp)", 100, "more"),
  ],
};

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "sansproxy-readme-"));
  writeFileSync(join(root, "README.md"), `before\n${BEGIN}\nwhat was\n${END}\nafter\n`);
});
afterEach(() => rmSync(root, { recursive: true }));

test("exactly the pictures that the README shows are written, with the numbers behind them", async () => {
  const files = writeReadme(root, run, await plots(run));
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const shown = [...readme.matchAll(/!\[[^\]]+\]\(([^)]+)\)/g)].map(([, path]) => path ?? "");
  expect(shown).toHaveLength(3);
  expect(files.sort()).toEqual([...shown, "README.md", "test/bench/report/pictures/results.json"].sort());
  for (const path of files) expect(existsSync(join(root, path)), path).toBe(true);
  expect(JSON.parse(readFileSync(join(root, "test/bench/report/pictures/results.json"), "utf8"))).toEqual(run);
});

test("the part says each target with its figures and the conditions, and leaves the rest of the README alone", async () => {
  writeReadme(root, run, await plots(run));
  const readme = readFileSync(join(root, "README.md"), "utf8");
  expect(readme).toMatch(/^before\n<!-- bench: begin -->\n[\s\S]*<!-- bench: end -->\nafter\n$/);
  expect(readme).not.toContain("what was\n");
  expect(readme).toContain("Linux 6.18, 2 CPUs, v1.36.3, 2026-01-01, load 0.5 at the start, 7 rounds, commit abc123");
  expect(readme.match(/^\| [✓✗–] P\d+ \|/gm)).toHaveLength(13);
  expect(readme).toContain("| – P7 |");
  expect(readme).toContain("**not measured:** short connections, 10 Services, nftables<br>");
});

test("a run without one of the pictures writes nothing", async () => {
  const less = { ...run, measurements: run.measurements.filter(({ suite }) => suite !== "forwarding") };
  const drawn = await plots(less);
  expect(() => writeReadme(root, less, drawn)).toThrow("nothing for the picture throughput");
  expect(existsSync(join(root, "test"))).toBe(false);
});

test("a README that has lost its marks is an error with the remedy", () => {
  expect(() => withPart("# sansproxy", "part")).toThrow("put them back");
});

test("the project's own README has the marks, and shows pictures that are there", () => {
  const project = resolve(import.meta.dirname, "../../..");
  const readme = readFileSync(join(project, "README.md"), "utf8");
  expect(() => withPart(readme, "part")).not.toThrow();
  const shown = [...readme.matchAll(/!\[[^\]]+\]\(([^)]+)\)/g)].map(([, path]) => path ?? "");
  expect(shown.filter((path) => !existsSync(join(project, path)))).toEqual([]);
});
