// SPDX-License-Identifier: Apache-2.0
// Gives a machine a cgroup of its own in every hierarchy of the box, and takes it away with all that runs in it.

import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { until } from "../host/progress.ts";

export interface Hierarchy {
  readonly mountPoint: string;
  /** v1 controllers of this hierarchy; empty for cgroup2. */
  readonly controllers: readonly string[];
  readonly version: 1 | 2;
}

export interface Limits {
  readonly memoryMb: number;
  readonly cpus?: number;
}

const v1Controllers = ["blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "hugetlb", "memory", "net_cls"];
v1Controllers.push("net_prio", "perf_event", "pids", "rdma");

/** The cgroup hierarchies in a `/proc/self/mounts` text. */
export function hierarchiesOf(mounts: string): Hierarchy[] {
  const found = new Map<string, Hierarchy>();
  for (const line of mounts.split("\n")) {
    const [, mountPoint, type, options] = line.split(" ");
    if (mountPoint === undefined || options === undefined) continue;
    if (type === "cgroup2") found.set(mountPoint, { mountPoint, controllers: [], version: 2 });
    if (type !== "cgroup") continue;
    const words = options.split(",");
    const controllers = words.filter((word) => v1Controllers.includes(word) || word.startsWith("name="));
    found.set(mountPoint, { mountPoint, controllers, version: 1 });
  }
  return [...found.values()];
}

export async function hierarchies(): Promise<Hierarchy[]> {
  return hierarchiesOf(await readFile("/proc/self/mounts", "utf8"));
}

/** Makes the cgroup `name` (for example `sansproxy/local/cp-1`) everywhere, with its limits; returns its folders. */
export async function makeCgroups(name: string, limits: Limits): Promise<string[]> {
  const folders: string[] = [];
  for (const hierarchy of await hierarchies()) {
    const parts = name.split("/");
    for (let depth = 1; depth <= parts.length; depth++) {
      const folder = join(hierarchy.mountPoint, ...parts.slice(0, depth));
      if (hierarchy.version === 2) await delegateControllers(dirname(folder));
      await mkdir(folder, { recursive: true });
      if (hierarchy.controllers.includes("cpuset")) await inheritCpuset(folder);
    }
    const folder = join(hierarchy.mountPoint, name);
    for (const [file, value] of limitFiles(hierarchy, limits)) {
      if (existsSync(join(folder, file))) await writeFile(join(folder, file), value);
    }
    folders.push(folder);
  }
  return folders;
}

/** Which file of which hierarchy holds which limit. */
export function limitFiles(hierarchy: Hierarchy, limits: Limits): [string, string][] {
  const memory = String(limits.memoryMb * 1024 * 1024);
  const quota = limits.cpus === undefined ? undefined : String(limits.cpus * 100_000);
  const files: [string, string][] = [];
  if (hierarchy.version === 2) {
    files.push(["memory.max", memory]);
    files.push(["cpu.max", `${quota ?? "max"} 100000`]);
    return files;
  }
  if (hierarchy.controllers.includes("memory")) files.push(["memory.limit_in_bytes", memory]);
  if (hierarchy.controllers.includes("cpu")) files.push(["cpu.cfs_quota_us", quota ?? "-1"]);
  return files;
}

/** Ends every process in the cgroup `name` and below, then removes it from every hierarchy. */
export async function removeCgroups(name: string): Promise<void> {
  const folders = (await hierarchies())
    .map((hierarchy) => join(hierarchy.mountPoint, name))
    .filter((folder) => existsSync(folder));
  await until(`processes of cgroup ${name} end`, 30_000, async () => {
    const pids = new Set<number>();
    for (const folder of folders) for (const pid of await processesBelow(folder)) pids.add(pid);
    for (const pid of pids) killIfAlive(pid);
    return pids.size === 0 ? true : undefined;
  });
  for (const folder of folders) {
    await until(
      `cgroup ${folder} is removed`,
      15_000,
      async () => ((await removeTree(folder)) ? true : undefined),
      100,
    );
  }
}

/** Removes a cgroup that only grouped others, when nothing is left in it. */
export async function removeEmptyCgroups(name: string): Promise<void> {
  for (const hierarchy of await hierarchies()) {
    const folder = join(hierarchy.mountPoint, name);
    if (!existsSync(folder)) continue;
    const children = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isDirectory());
    if (children.length === 0) await rmdir(folder);
  }
}

/** Process ids in the cgroup folder and in every folder below it. */
async function processesBelow(folder: string): Promise<number[]> {
  const pids: number[] = [];
  for (const current of [folder, ...(await foldersBelow(folder))]) {
    const text = await readFile(join(current, "cgroup.procs"), "utf8").catch(ignoreGone(""));
    pids.push(...text.split("\n").filter(Boolean).map(Number));
  }
  // 0 is a process of another PID namespace that cannot be seen from here.
  return pids.filter((pid) => pid > 0);
}

async function removeTree(folder: string): Promise<boolean> {
  for (const current of [...(await foldersBelow(folder)).reverse(), folder]) {
    try {
      await rmdir(current);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === "EBUSY") return false;
      if (code !== "ENOENT") throw error;
    }
  }
  return true;
}

/** Folders below, parents before children. */
async function foldersBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(ignoreGone([]));
  const found: string[] = [];
  for (const entry of entries) {
    if (!entry.isDirectory()) continue;
    const child = join(folder, entry.name);
    found.push(child, ...(await foldersBelow(child)));
  }
  return found;
}

async function inheritCpuset(folder: string): Promise<void> {
  for (const suffix of ["cpus", "mems"]) {
    const file = ["cpuset.", ""].map((prefix) => `${prefix}${suffix}`).find((name) => existsSync(join(folder, name)));
    if (file === undefined) continue;
    if ((await readFile(join(folder, file), "utf8")).trim() !== "") continue;
    await writeFile(join(folder, file), await readFile(join(dirname(folder), file), "utf8"));
  }
}

async function delegateControllers(parent: string): Promise<void> {
  const available = await readFile(join(parent, "cgroup.controllers"), "utf8").catch(ignoreGone(""));
  for (const controller of available.trim().split(/\s+/).filter(Boolean)) {
    // A controller that cannot be delegated here (cpu with real-time processes) is only a limit less.
    await writeFile(join(parent, "cgroup.subtree_control"), `+${controller}`).catch(() => undefined);
  }
}

function killIfAlive(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function ignoreGone<T>(instead: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === "ENOENT" || error.code === "ENODEV") return instead;
    throw error;
  };
}
