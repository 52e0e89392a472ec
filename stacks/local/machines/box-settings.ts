// SPDX-License-Identifier: Apache-2.0
// Remembers the settings of the box's kernel that machines change for everybody, and puts them back with the last stack.

import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { machinesRoot } from "../host/paths.ts";

/** Not namespaced, and written by a kubelet at its start or by the preparation of a host. */
const settings = [
  "fs/inotify/max_user_instances",
  "kernel/keys/root_maxbytes",
  "kernel/keys/root_maxkeys",
  "kernel/panic",
  "kernel/panic_on_oops",
  "vm/overcommit_memory",
  "vm/panic_on_oom",
];

/** Where the settings and their record are; tests have folders of their own. */
export interface Box {
  readonly root: string;
  readonly sysctls: string;
}

const thisBox: Box = { root: machinesRoot, sysctls: "/proc/sys" };
const recordOf = (box: Box): string => join(box.root, "box-settings.json");

/** Records the settings before the first machine of the box; later stacks find the record. */
export async function rememberBoxSettings(box = thisBox): Promise<void> {
  const record = recordOf(box);
  if (existsSync(record)) return;
  const before: Record<string, string> = {};
  for (const name of settings) {
    const file = join(box.sysctls, name);
    if (existsSync(file)) before[name] = (await readFile(file, "utf8")).trim();
  }
  await mkdir(box.root, { recursive: true, mode: 0o700 });
  await writeFile(`${record}.new`, JSON.stringify(before));
  await rename(`${record}.new`, record);
}

/** Puts the settings back and removes the record, unless another stack is still on the box. */
export async function restoreBoxSettings(box = thisBox): Promise<void> {
  if (!existsSync(box.root)) return;
  const others = await readdir(box.root, { withFileTypes: true });
  if (others.some((entry) => entry.isDirectory())) return;
  if (existsSync(recordOf(box))) {
    const before = JSON.parse(await readFile(recordOf(box), "utf8")) as Record<string, string>;
    for (const [name, value] of Object.entries(before)) {
      const file = join(box.sysctls, name);
      if ((await readFile(file, "utf8")).trim() !== value) await writeFile(file, value);
    }
    await rm(recordOf(box));
  }
  await rmdir(box.root);
}
