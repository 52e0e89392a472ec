// SPDX-License-Identifier: Apache-2.0
// What a stack could leave on the box: links, mounts, cgroups, processes and files.

import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const propagationOf = (stack: string) => (machine: string) => `/run/systemd/nspawn/propagate/${stack}-${machine}`;

/** Everything of one stack that is on the box now; empty when there is no trace of it. */
export function tracesOf(stack: string, bridge: string): string[] {
  return [
    ...links().filter((name) => name === bridge || name.startsWith(`vb-${stack}-`)),
    ...mounts().filter((path) => path.includes(`/var/lib/sansproxy/${stack}/`)),
    ...cgroups(`sansproxy/${stack}`),
    ...processes(`sansproxy/${stack}`),
    ...[
      `/var/lib/sansproxy/${stack}`,
      ...["cp-1", "worker-1", "worker-2", "worker-3"].map(propagationOf(stack)),
    ].filter((path) => existsSync(path)),
  ];
}

function links(): string[] {
  const all = JSON.parse(execFileSync("ip", ["-json", "link"], { encoding: "utf8" })) as { ifname: string }[];
  return all.map(({ ifname }) => ifname).sort();
}

function mounts(): string[] {
  return readFileSync("/proc/self/mounts", "utf8")
    .trim()
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "")
    .sort();
}

function cgroups(name: string): string[] {
  const roots = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" "))
    .filter(([, , type]) => type === "cgroup" || type === "cgroup2")
    .map(([, path]) => join(path ?? "", name));
  return roots.filter((path) => existsSync(path));
}

/** Processes whose cgroup lies below `name`. */
function processes(name: string): string[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => readIfAlive(`/proc/${pid}/cgroup`).includes(`/${name}/`))
    .map((pid) => `process ${pid}: ${readIfAlive(`/proc/${pid}/cmdline`).replaceAll("\0", " ")}`);
}

function readIfAlive(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return "";
    throw error;
  }
}
