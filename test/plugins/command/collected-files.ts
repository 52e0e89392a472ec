// SPDX-License-Identifier: Apache-2.0
// Finds the files a local command left (`assetPaths`, `archivePaths`) and makes assets of them.
import { createHash } from "node:crypto";
import { glob, readFile, stat } from "node:fs/promises";
import { join, matchesGlob } from "node:path";
import { Asset } from "../values.ts";

/** Patterns are taken in order; one with `!` in front removes what those before it found. */
const find = async (directory: string, patterns: readonly string[]): Promise<string[]> => {
  const found = new Set<string>();
  for (const pattern of patterns) {
    if (pattern.startsWith("!")) {
      for (const path of found) if (matchesGlob(path, pattern.slice(1))) found.delete(path);
      continue;
    }
    for await (const path of glob(pattern, { cwd: directory })) {
      if (!(await stat(join(directory, path))).isDirectory()) found.add(path);
    }
  }
  return [...found].sort();
};

const fileAsset = async (path: string): Promise<Asset> => {
  const hash = createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
  return new Asset("asset", { path, hash });
};

export const collectAssets = async (directory: string, patterns: readonly string[]): Promise<Record<string, Asset>> => {
  const paths = await find(directory, patterns);
  return Object.fromEntries(
    await Promise.all(paths.map(async (path) => [path, await fileAsset(join(directory, path))] as const)),
  );
};

/** An archive of the files found. Its hash covers names and contents, but is not the official plugin's hash. */
export const collectArchive = async (directory: string, patterns: readonly string[]): Promise<Asset> => {
  const assets = await collectAssets(directory, patterns);
  const hash = createHash("sha256");
  for (const [name, asset] of Object.entries(assets)) hash.update(`${name}\0${asset.fields.hash}\0`);
  return new Asset("archive", { hash: hash.digest("hex") }, assets);
};
