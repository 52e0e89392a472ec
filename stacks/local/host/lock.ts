// SPDX-License-Identifier: Apache-2.0
// Lets one process at a time make a thing that several runs on this box share.

import { type FileHandle, mkdir, open, readFile, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { runAnyway } from "./exec.ts";
import { say, until } from "./progress.ts";

const waitMs = 30 * 60_000;

/**
 * Runs `work` while holding `<path>.lock`, and waits while another process holds it. The kernel keeps the lock with the
 * open file: it ends with its process, however that ends, so that no lock is ever found that nobody holds.
 */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const file = `${path}.lock`;
  await mkdir(dirname(file), { recursive: true });
  let told = false;
  const held = await until(`lock ${file} becomes free`, waitMs, async () => {
    const taken = await take(file);
    if (taken === undefined && !told) {
      told = true;
      const holder = await readFile(file, "utf8").catch(() => "");
      say(`  waiting for ${holder === "" ? "another process" : `process ${holder}`}, which is making ${path}`);
    }
    return taken;
  });
  try {
    return await work();
  } finally {
    // Removed while it is held, and only if it is still ours: whoever waits for this file sees that it is gone.
    if (await isAt(held, file)) await rm(file, { force: true });
    await held.close();
  }
}

/** The locked file; undefined while another holds it, or when it was removed between its opening and its locking. */
async function take(file: string): Promise<FileHandle | undefined> {
  const handle = await open(file, "a+", 0o600);
  try {
    if ((await lock(handle, file)) && (await isAt(handle, file))) {
      await handle.truncate();
      await handle.write(String(process.pid));
      return handle;
    }
  } catch (error) {
    await handle.close();
    throw error;
  }
  await handle.close();
  return undefined;
}

/** Locks the open file, which flock(1) shares with this process: what it locks stays locked after its end. */
async function lock(handle: FileHandle, file: string): Promise<boolean> {
  const { code, stderr } = await runAnyway("flock", ["--exclusive", "--nonblock", "3"], { inherited: [handle.fd] });
  if (code === 0 || code === 1) return code === 0;
  throw new Error(`${file} cannot be locked (${stderr.trim()}): keep the cache on a file system with locks.`);
}

/** True when the path still leads to the open file. */
async function isAt(handle: FileHandle, file: string): Promise<boolean> {
  const ours = await handle.stat();
  const there = await stat(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  return there !== undefined && there.ino === ours.ino && there.dev === ours.dev;
}
