// SPDX-License-Identifier: Apache-2.0
// What counts as a stall of the agent: what its own code does to the event loop, and not that it was loaded.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "sansproxy-stall-test-"));
});

afterEach(() => rmSync(directory, { recursive: true }));

const busyFor = (ms: number) => `for (const end = performance.now() + ${ms}; performance.now() < end; );`;

/** Runs a program that loads a module, and says its stalls so far when it has done its work. */
async function longestStallMs(loaded: string, work: string): Promise<number> {
  const [program, stalls] = ["main.mjs", "stalls.json"].map((name) => join(directory, name)) as [string, string];
  writeFileSync(join(directory, "loaded.mjs"), loaded);
  const end = 'process.kill(process.pid, "SIGUSR2"); await rest(100);';
  const rest = "const rest = (ms) => new Promise((resume) => setTimeout(resume, ms));";
  writeFileSync(program, `import "./loaded.mjs"; ${rest} ${work} await rest(100); ${end}`);
  const monitor = join(import.meta.dirname, "stall-monitor.mjs");
  const child = spawn(process.execPath, ["--import", monitor, program], {
    env: { ...process.env, BENCH_STALLS: stalls },
    stdio: "inherit",
  });
  expect(await new Promise((resolve) => child.once("exit", resolve))).toBe(0);
  return (JSON.parse(readFileSync(stalls, "utf8")) as { longestMs: number }).longestMs;
}

test("loading the modules is no stall", async () => {
  expect(await longestStallMs(busyFor(5_000), "")).toBeLessThan(4_000);
});

test.each([
  ["at once", busyFor(300)],
  ["later", `await rest(50); ${busyFor(300)}`],
])("what holds the loop after that is one: %s", async (_, work) => {
  expect(await longestStallMs("", work)).toBeGreaterThan(295);
});
