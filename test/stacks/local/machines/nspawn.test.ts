// SPDX-License-Identifier: Apache-2.0
// Shows the command line of a machine, the mount points below a folder, and what the image's key depends on.

import { expect, test } from "vitest";
import { imageKey } from "../../../../stacks/local/machines/image.ts";
import { mountPointsOf } from "../../../../stacks/local/machines/mounts.ts";
import { isAlive, nspawnArguments, unitLimits } from "../../../../stacks/local/machines/nspawn.ts";

const launch = {
  machine: "local-cp-1",
  hostname: "cp-1",
  root: "/var/lib/sansproxy/local/cp-1/root",
  bridge: "sansproxy0",
  binds: [["/box/containerd", "/var/lib/containerd"]],
  consoleLog: "/tmp/console.log",
  memoryMb: 1024,
} as const;

test("a machine gets a network of its own on the bridge and the system calls that eBPF needs", () => {
  const args = nspawnArguments(launch);
  expect(args).toContain("--network-bridge=sansproxy0");
  expect(args).toContain("--keep-unit");
  expect(args).toContain("--bind=/box/containerd:/var/lib/containerd");
  expect(args.find((arg) => arg.startsWith("--system-call-filter="))).toMatch(/\bbpf\b.*\bperf_event_open\b/);
});

test("a unit's limits are systemd's properties, and no CPU limit resets one", () => {
  expect(unitLimits({ memoryMb: 512 })).toEqual(["MemoryMax=512M", "CPUQuota="]);
  expect(unitLimits({ memoryMb: 512, cpus: 2 })).toEqual(["MemoryMax=512M", "CPUQuota=200%"]);
});

test("mounts below a folder come deepest first, without those that only share its beginning", () => {
  const line = (path: string) => `36 35 98:0 / ${path} rw,noatime - ext4 /dev/root rw`;
  const mountinfo = ["/", "/var/a", "/var/a/b", "/var/ab", "/var/a/with\\040space"].map(line).join("\n");
  expect(mountPointsOf(mountinfo, "/var/a")).toEqual(["/var/a/with space", "/var/a/b", "/var/a"]);
});

test("a process is alive only as the one that was started", async () => {
  const { readFile } = await import("node:fs/promises");
  const stat = await readFile("/proc/self/stat", "utf8");
  const startTicks = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  expect(await isAlive({ pid: process.pid, startTicks })).toBe(true);
  expect(await isAlive({ pid: process.pid, startTicks: "1" })).toBe(false);
});

test("the image's key is the same as long as its packages and files are", async () => {
  expect(await imageKey()).toMatch(/^[0-9a-f]{16}$/);
  expect(await imageKey()).toBe(await imageKey());
});
