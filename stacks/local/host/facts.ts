// SPDX-License-Identifier: Apache-2.0
// Reads what the checks before a run have to know about this box.

import { existsSync } from "node:fs";
import { readFile, statfs } from "node:fs/promises";
import { arch, release } from "node:os";
import { runAnyway } from "./exec.ts";
import { cacheDirectory, machinesRoot } from "./paths.ts";

export interface Facts {
  readonly user: number;
  readonly architecture: string;
  readonly kernelRelease: string;
  readonly hasBtf: boolean;
  /** File system types of the kernel, modules loaded on demand included. */
  readonly fileSystems: readonly string[];
  readonly hasCgroup2: boolean;
  readonly memoryAvailableMb: number;
  readonly freeDiskMb: Readonly<Record<string, number>>;
}

export async function gatherFacts(): Promise<Facts> {
  const cache = cacheDirectory();
  return {
    user: process.getuid?.() ?? -1,
    architecture: arch(),
    kernelRelease: release(),
    hasBtf: existsSync("/sys/kernel/btf/vmlinux"),
    fileSystems: await fileSystems(["overlay", "bpf"]),
    hasCgroup2: / cgroup2 /.test(await readFile("/proc/self/mounts", "utf8")),
    memoryAvailableMb: availableMb(await readFile("/proc/meminfo", "utf8")),
    freeDiskMb: { [cache]: await freeMb(cache), [machinesRoot]: await freeMb(machinesRoot) },
  };
}

/** `MemAvailable` of a `/proc/meminfo` text in MiB. */
export function availableMb(meminfo: string): number {
  return Math.floor(Number(/^MemAvailable:\s+(\d+) kB/m.exec(meminfo)?.[1] ?? 0) / 1024);
}

async function fileSystems(wanted: readonly string[]): Promise<string[]> {
  const known = async () =>
    (await readFile("/proc/filesystems", "utf8"))
      .split("\n")
      .map((line) => line.trim().split(/\s+/).at(-1) ?? "")
      .filter(Boolean);
  for (const name of wanted) {
    if (!(await known()).includes(name)) await runAnyway("modprobe", [name]).catch(() => undefined);
  }
  return await known();
}

async function freeMb(folder: string): Promise<number> {
  let existing = folder;
  while (!existsSync(existing)) existing = existing.slice(0, existing.lastIndexOf("/")) || "/";
  const { bavail, bsize } = await statfs(existing);
  return Math.floor((bavail * bsize) / 1024 / 1024);
}
