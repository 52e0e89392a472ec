// SPDX-License-Identifier: Apache-2.0
// Shows that what several runs share is made by one at a time, and that a dead holder does not block it.

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { withLock } from "../../../../stacks/local/host/lock.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sansproxy-lock-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

test("a second holder waits until the first has ended", async () => {
  const path = join(folder, "thing");
  const order: string[] = [];
  let release = () => {};
  const first = withLock(path, async () => {
    order.push("first begins");
    await new Promise<void>((done) => {
      release = done;
    });
    order.push("first ends");
  });
  await expect.poll(() => order).toEqual(["first begins"]);
  const second = withLock(path, async () => {
    order.push("second");
  });
  release();
  await Promise.all([first, second]);
  expect(order).toEqual(["first begins", "first ends", "second"]);
});

test("the lock of a process that is no more is taken over", async () => {
  const path = join(folder, "thing");
  await writeFile(`${path}.lock`, `${process.pid} 1`);
  expect(await withLock(path, async () => "made")).toBe("made");
});

test("a failure releases the lock and is passed on", async () => {
  const path = join(folder, "thing");
  await expect(withLock(path, () => Promise.reject(new Error("no disk")))).rejects.toThrow("no disk");
  await expect(readFile(`${path}.lock`)).rejects.toThrow("ENOENT");
});
