// SPDX-License-Identifier: Apache-2.0
// Where cgroup2 is mounted below a given cgroup root: the root itself, or `unified` of a hybrid tree.
import { existsSync, statfsSync, statSync } from "node:fs";
import { join } from "node:path";
import { KernelError } from "./kernel-error.ts";

const CGROUP2_MAGIC = 0x63677270;

const isCgroup2 = (path: string): boolean => existsSync(path) && statfsSync(path).type === CGROUP2_MAGIC;

/** The folder of the cgroup2 tree; a folder inside such a tree is itself a root, and covers what is below it. */
export function findCgroup2(root: string): string {
  for (const path of [root, join(root, "unified")]) if (isCgroup2(path)) return path;
  throw new KernelError(
    `no cgroup2 at ${root} or ${join(root, "unified")}: socket load balancing attaches there; mount it, or set cgroup.hostRoot to where it is`,
  );
}

/** The kernel's id of a cgroup, as links report it. */
export const cgroupId = (path: string): bigint => statSync(path, { bigint: true }).ino;
