// SPDX-License-Identifier: Apache-2.0
// Names the npm packages that some packages need at run time on Linux, from the lock file.

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { repository } from "../host/paths.ts";

interface LockedPackage {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

export interface LockFile {
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

/** The given packages and all they need, leaving out optional ones made for other platforms (not installed here). */
export async function productionPackages(roots: readonly string[]): Promise<string[]> {
  const lock = JSON.parse(await readFile(join(repository, "package-lock.json"), "utf8")) as LockFile;
  return closure(lock, roots, (name) => existsSync(join(repository, "node_modules", name)));
}

export function closure(lock: LockFile, roots: readonly string[], installed: (name: string) => boolean): string[] {
  const found = new Set<string>();
  const open = [...roots];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (found.has(name)) continue;
    const locked = lock.packages[`node_modules/${name}`];
    if (locked === undefined) throw new Error(`package-lock.json does not name ${name}: run \`npm install\`.`);
    found.add(name);
    open.push(...Object.keys(locked.dependencies ?? {}));
    open.push(...Object.keys(locked.optionalDependencies ?? {}).filter(installed));
  }
  return [...found].sort();
}
