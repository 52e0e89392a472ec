// SPDX-License-Identifier: Apache-2.0
// Shows that what several runs share is made by one at a time, and that a dead holder does not block it.

import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
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

test("a lock file that its holder never got to fill is taken over", async () => {
  const path = join(folder, "thing");
  await writeFile(`${path}.lock`, "");
  expect(await withLock(path, async () => "made")).toBe("made");
});

test("a lock file that is not the holder's any more is left alone", async () => {
  const path = join(folder, "thing");
  await withLock(path, async () => {
    await writeFile(`${path}.other`, "another's");
    await rename(`${path}.other`, `${path}.lock`);
  });
  expect(await readFile(`${path}.lock`, "utf8")).toBe("another's");
});

test("of many processes only one is ever in its turn, while others are killed in theirs", async () => {
  const path = join(folder, "thing");
  await writeFile(`${path}.count`, "0");
  // What a killed process of an older version left.
  await writeFile(`${path}.lock`, "999999 1");
  const [processes, rounds] = [6, 12];
  const ends = await Promise.all(
    Array.from({ length: processes }, (_, index) => contend(path, rounds, index % 2 === 0 ? "die" : "end")),
  );
  expect(ends.map(({ stderr }) => stderr.replace(/^ {2}waiting for .*\n/gm, ""))).toEqual(ends.map(() => ""));
  expect(ends.map(({ end }) => end)).toEqual(ends.map((_, index) => (index % 2 === 0 ? "SIGKILL" : 0)));
  expect(await readFile(`${path}.count`, "utf8")).toBe(String(processes * rounds));
  expect(await withLock(path, async () => "made")).toBe("made");
  expect(await readdir(folder)).toEqual(["thing.count"]);
});

test("a failure releases the lock and is passed on", async () => {
  const path = join(folder, "thing");
  await expect(withLock(path, () => Promise.reject(new Error("no disk")))).rejects.toThrow("no disk");
  await expect(readFile(`${path}.lock`)).rejects.toThrow("ENOENT");
});

/** Runs a process that takes the lock so many times; tells how it ended. */
function contend(path: string, rounds: number, end: "end" | "die") {
  return new Promise<{ end: number | string | null; stderr: string }>((done, fail) => {
    const program = join(import.meta.dirname, "lock-holder.ts");
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", program, path, `${rounds}`, end]);
    let stderr = "";
    child.stderr.on("data", (part) => {
      stderr += part;
    });
    child.on("error", fail);
    child.on("close", (code, signal) => done({ end: signal ?? code, stderr }));
  });
}
