// SPDX-License-Identifier: Apache-2.0
// `npm run bench -- --quick` as a whole: every suite measures something sensible, and leaves nothing behind. Never a time.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { cgroup2Mount } from "../support/netns.ts";
import type { Results } from "./results.ts";
import { suites } from "./suites/index.ts";

const out = mkdtempSync(join(tmpdir(), "sansproxy-bench-test-"));
const program = join(import.meta.dirname, "run.ts");
const flags = ["--disable-warning=ExperimentalWarning", program];

afterAll(() => rmSync(out, { recursive: true }));

/** Namespaces, mounts, folders and cgroups that carry the process's id. */
function traces(pid: number | undefined): string[] {
  const named = (folder: string) => (existsSync(folder) ? readdirSync(folder) : []);
  const all = [...named("/run/netns"), ...named(tmpdir()), ...named(cgroup2Mount())];
  return all.filter((name) => new RegExp(`^(sp${pid}-|sansproxy-(bpffs|test)-${pid}-)`).test(name));
}

test("every suite measures, each with all of its setups, and the report is written", () => {
  const { status, stderr, pid } = spawnSync(process.execPath, [...flags, "--quick", "--out", out], {
    encoding: "utf8",
  });
  expect(status, stderr).toBe(0);
  const results = JSON.parse(readFileSync(join(out, "results.json"), "utf8")) as Results;
  expect(results.suites.map(({ name, error }) => [name, error])).toEqual(suites.map(({ name }) => [name, undefined]));
  const setups = new Set(results.measurements.map(({ setup }) => setup));
  for (const setup of [
    "none",
    "none-again",
    "ours (socket)",
    "ours (tc)",
    "ours (xdp)",
    "generator",
    "iptables",
    "nftables",
    "ours (API server)",
    "ours (replayed)",
  ])
    expect([...setups]).toContain(setup);
  for (const { summary } of results.measurements) expect(summary.n).toBeGreaterThan(0);
  expect(readFileSync(join(out, "report.html"), "utf8")).toContain("<svg");
  expect(traces(pid)).toEqual([]);
}, 240_000);

test("Ctrl-C in the middle takes everything down", async () => {
  const child = spawn(process.execPath, [...flags, "--quick", "--only", "connect", "--out", out], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  await expect.poll(() => traces(child.pid).length, { timeout: 60_000 }).toBeGreaterThan(5);
  child.kill("SIGINT");
  expect(await ended).not.toBe(0);
  expect(traces(child.pid)).toEqual([]);
}, 120_000);
