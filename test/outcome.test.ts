// SPDX-License-Identifier: Apache-2.0
// The runner's summary: every failure by name, and no stage that is green without having run.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";
import { outcome, readOutcome, summary } from "./outcome.ts";

const repository = resolve(import.meta.dirname, "..");
const folder = mkdtempSync(join(tmpdir(), "sansproxy-outcome-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What vitest itself reports of one test file. */
function ran(name: string, text: string) {
  writeFileSync(join(folder, `${name}.test.ts`), `import { expect, test, beforeAll } from "vitest";\n${text}`);
  const report = join(folder, `${name}.json`);
  const vitest = join(repository, "node_modules/vitest/vitest.mjs");
  const argv = [vitest, "run", `--root=${folder}`, "--reporter=json", `--outputFile.json=${report}`, `${name}.test.ts`];
  const { status } = spawnSync(process.execPath, argv, { cwd: folder, env: { ...process.env, VITEST: "" } });
  return readOutcome(report, status ?? 1, `${folder}/`);
}

test("a failing test is counted and named with what it saw", () => {
  const came = ran("one", `test("adds", () => expect(1).toBe(2)); test("is", () => {}); test.skip("waits", () => {});`);
  expect(came).toMatchObject({ passed: 1, failed: 1, skipped: 1 });
  expect(came.failures).toEqual([expect.stringMatching(/^one\.test\.ts: adds: AssertionError: expected 1 to be 2/)]);
});

test("a file that cannot be loaded is a failure that names the file", () => {
  const came = ran("broken", `throw new Error("no ground to stand on"); test("never", () => {});`);
  expect(came.failed).toBeGreaterThan(0);
  expect(came.failures.join()).toMatch(/broken\.test\.ts: .*no ground to stand on/);
});

test("a tier that ran nothing has failed", () => {
  const came = ran("empty", "");
  expect(came.failed).toBeGreaterThan(0);
});

test("a tier without a report has failed", () => {
  expect(readOutcome(join(folder, "absent.json"), 0, folder)).toMatchObject({ passed: 0, failed: 1 });
});

test("a tier whose tests passed but which ended badly has failed", () => {
  const report = join(folder, "ended.json");
  const counts = { numPassedTests: 3, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0, testResults: [] };
  writeFileSync(report, JSON.stringify(counts));
  expect(readOutcome(report, 137, folder)).toMatchObject({
    passed: 3,
    failed: 1,
    failures: ["it ended with code 137, by no test: see above"],
  });
});

test("the summary names each failure and closes with one line that counts them all", () => {
  const lines = summary([
    { stage: "lint", seconds: 1.4, ...outcome(1, 0) },
    { stage: "unit", seconds: 62, ...outcome(10, 1, ["a.test.ts: adds: expected 1"], 2) },
  ]).split("\n");
  expect(lines).toEqual([
    "ok   lint           1 passed   0 failed   0 skipped      1 s",
    "FAIL unit          10 passed   1 failed   2 skipped     62 s",
    "",
    "Failed:",
    "  unit: a.test.ts: adds: expected 1",
    "",
    "11 passed, 1 failed, 2 skipped",
  ]);
});
