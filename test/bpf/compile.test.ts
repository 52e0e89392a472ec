// SPDX-License-Identifier: Apache-2.0
// Building the programs, and finding the cgroup tree that they attach to.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { findCgroup2 } from "../../agent/shell/kernel/cgroup.ts";
import { compile } from "../../agent/shell/kernel/compile.ts";
import { cgroup2Mount } from "../support/netns.ts";

const directory = mkdtempSync(join(tmpdir(), "sansproxy-compile-"));

afterAll(() => rmSync(directory, { recursive: true }));

test("each program becomes one object, and nothing half-made is left beside it", () => {
  compile(directory);
  expect(readdirSync(directory).sort()).toEqual([
    "census.bpf.o",
    "release.bpf.o",
    "socket_guard.bpf.o",
    "socket_lb.bpf.o",
    "tc.bpf.o",
    "xdp.bpf.o",
  ]);
});

test("without a clang that is new enough the build says what to install", () => {
  const script = join(import.meta.dirname, "../../agent/shell/kernel/compile.ts");
  const { status, stderr } = spawnSync(process.execPath, [script], {
    env: { ...process.env, CLANG: "/nowhere/clang" },
    encoding: "utf8",
  });
  expect(status).toBe(1);
  expect(stderr).toContain("no clang 14 or newer was found to compile the BPF programs; install it");
});

test("cgroup2 is found as the root itself, and below a hybrid root", () => {
  const mount = cgroup2Mount();
  expect(findCgroup2(mount)).toBe(mount);
  if (mount.endsWith("/unified")) expect(findCgroup2(dirname(mount))).toBe(mount);
});

test("a root without cgroup2 is named with the remedy", () => {
  expect(() => findCgroup2(directory)).toThrow(`no cgroup2 at ${directory} or ${directory}/unified`);
});
