// SPDX-License-Identifier: Apache-2.0
// Shows that the cache keeps the newest of what changing sources leave in it, and nothing else is touched.

import { mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { keepNewest } from "../../../../stacks/local/toolchain/retention.ts";

test("only the newest that fit the pattern stay", async () => {
  const folder = await mkdtemp(join(tmpdir(), "sansproxy-cache-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  for (const [age, name] of ["agent-1-c", "agent-1-b", "agent-1-a", "pause-1"].entries()) {
    await writeFile(join(folder, name), "");
    await utimes(join(folder, name), 1_000_000 - age, 1_000_000 - age);
  }
  await keepNewest(folder, /^agent-/, 2);
  expect((await readdir(folder)).sort()).toEqual(["agent-1-b", "agent-1-c", "pause-1"]);
});

test("a cache that is not there yet is no error", async () => {
  await expect(keepNewest("/nonexistent/sansproxy", /./)).resolves.toBeUndefined();
});
