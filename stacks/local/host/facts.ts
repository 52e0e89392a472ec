// SPDX-License-Identifier: Apache-2.0
// Reads what the checks before a run have to know about this box.

import { existsSync } from "node:fs";
import { readFile, stat, statfs } from "node:fs/promises";
import { arch, release } from "node:os";
import { dirname } from "node:path";
import { runAnyway } from "./exec.ts";

export interface Facts {
  readonly user: number;
  readonly architecture: string;
  readonly kernelRelease: string;
  readonly hasBtf: boolean;
  /** File system types of the kernel, modules loaded on demand included. */
  readonly fileSystems: readonly string[];
  readonly hasCgroup2: boolean;
  readonly memoryAvailableMb: number;
  /** The disk on which each folder lies or will lie. */
  readonly disks: Readonly<Record<string, Disk>>;
}

export interface Disk {
  /** Equal for folders on the same disk. */
  readonly device: number;
  readonly freeMb: number;
}

/** The facts, with the disks of the given folders. */
export async function gatherFacts(folders: readonly string[]): Promise<Facts> {
  const disks = await Promise.all(folders.map(async (folder) => [folder, await diskOf(folder)] as const));
  return {
    user: process.getuid?.() ?? -1,
    architecture: arch(),
    kernelRelease: release(),
    hasBtf: existsSync("/sys/kernel/btf/vmlinux"),
    fileSystems: await fileSystems(["overlay", "bpf"]),
    hasCgroup2: / cgroup2 /.test(await readFile("/proc/self/mounts", "utf8")),
    memoryAvailableMb: availableMb(await readFile("/proc/meminfo", "utf8")),
    disks: Object.fromEntries(disks),
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
    // Whether it can be loaded is told by the list that is read again; the preflight names what is missing there.
    if (!(await known()).includes(name)) await runAnyway("modprobe", [name]).catch(() => undefined);
  }
  return await known();
}

async function diskOf(folder: string): Promise<Disk> {
  let existing = folder;
  while (!existsSync(existing)) existing = dirname(existing);
  const { bavail, bsize } = await statfs(existing);
  return { device: (await stat(existing)).dev, freeMb: Math.floor((bavail * bsize) / 1024 / 1024) };
}
