// SPDX-License-Identifier: Apache-2.0
// Keeps image archives in the cache: each is made once for its content, by one process, and appears when it is whole.

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { cp, mkdir, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { withLock } from "../host/lock.ts";
import { cacheDirectory } from "../host/paths.ts";
import { step } from "../host/progress.ts";
import { sha256 } from "./archive.ts";

/** Fills the folder `tree` and writes the archive to `target`. */
export type Make = (tree: string, target: string, note: (text: string) => void) => Promise<void>;

/** The archive of an image (or of several under one title), made when it is not in the cache yet. */
export async function cachedArchive(image: string, key: string, make: Make): Promise<string> {
  const short = image.replace(/^.*\//, "").replace(":", "-");
  const target = join(cacheDirectory(), "images", `${short}-${key}.tar.gz`);
  if (existsSync(target)) return target;
  await withLock(target, async () => {
    if (existsSync(target)) return;
    const tree = `${target}.tree-${process.pid}`;
    const whole = `${target}.whole-${process.pid}`;
    try {
      await mkdir(tree, { recursive: true });
      await step(`image ${image}`, (note) => make(tree, whole, note));
      await rename(whole, target);
    } finally {
      await rm(tree, { recursive: true, force: true });
      await rm(whole, { force: true });
    }
  });
  return target;
}

export async function place(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await cp(from, to, { dereference: true });
}

/** A program's path in the cache names its version and pins; any other file counts with its bytes. */
export async function keyOf(files: readonly string[], words: readonly string[]): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify(words));
  for (const file of files) hash.update(file.startsWith(cacheDirectory()) ? file : await sha256(file));
  hash.update(await readFile(join(import.meta.dirname, "archive.ts")));
  return hash.digest("hex").slice(0, 12);
}
