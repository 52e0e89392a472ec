// SPDX-License-Identifier: Apache-2.0
// Lets one process at a time make a thing that several runs on this box share.

import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { say, until } from "./progress.ts";

const waitMs = 30 * 60_000;

/** Runs `work` while holding `<path>.lock`; waits for another living holder, takes over from a dead one. */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const file = `${path}.lock`;
  await mkdir(dirname(file), { recursive: true });
  let told = false;
  await until(`lock ${file} becomes free`, waitMs, async () => {
    if (await take(file)) return true;
    const holder = await readFile(file, "utf8").catch(() => "");
    if (holder !== "" && !(await isAlive(holder))) await rm(file, { force: true });
    else if (!told) {
      told = true;
      say(`  waiting for process ${holder.split(" ")[0]}, which is making ${path}`);
    }
    return undefined;
  });
  try {
    return await work();
  } finally {
    await rm(file, { force: true });
  }
}

async function take(file: string): Promise<boolean> {
  try {
    await writeFile(file, `${process.pid} ${await startTicks(process.pid)}`, { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

async function isAlive(holder: string): Promise<boolean> {
  const [pid, ticks] = holder.split(" ");
  return ticks !== undefined && ticks !== "" && (await startTicks(Number(pid))) === ticks;
}

async function startTicks(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}
