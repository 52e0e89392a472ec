// SPDX-License-Identifier: Apache-2.0
// Keeps the cache small while the agent changes: of the images and bundles made for old sources only the newest stay.

import { existsSync } from "node:fs";
import { readdir, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { cacheDirectory } from "../host/paths.ts";

/** Several clones and branches may use the cache in turn: each finds its own for a while. */
const kept = 8;

/** Marks what this run uses as new, and removes all but the newest of the agent's images and of the bundles. */
export async function pruneCache(agentImage: string, bundle: string): Promise<void> {
  const now = new Date();
  for (const path of [agentImage, bundle]) await utimes(path, now, now);
  await keepNewest(join(cacheDirectory(), "images"), /^agent-\d.*\.tar\.gz$/);
  await keepNewest(join(cacheDirectory(), "bundles"), /^[0-9a-f]{16}$/);
}

export async function keepNewest(folder: string, pattern: RegExp, count = kept): Promise<void> {
  if (!existsSync(folder)) return;
  const found: { path: string; usedMs: number }[] = [];
  for (const name of await readdir(folder)) {
    if (!pattern.test(name)) continue;
    const path = join(folder, name);
    found.push({ path, usedMs: (await stat(path)).mtimeMs });
  }
  found.sort((a, b) => b.usedMs - a.usedMs);
  for (const { path } of found.slice(count)) await rm(path, { recursive: true, force: true });
}
