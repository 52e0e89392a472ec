// SPDX-License-Identifier: Apache-2.0
// Shows that each thing a box may lack is refused with one sentence that names it and the remedy.

import { expect, test } from "vitest";
import { availableMb, type Facts } from "../../../../stacks/local/host/facts.ts";
import { problems, requireFit } from "../../../../stacks/local/host/preflight.ts";

const fit: Facts = {
  user: 0,
  architecture: "x64",
  kernelRelease: "6.12.1-amd64",
  hasBtf: true,
  fileSystems: ["ext4", "overlay", "bpf"],
  hasCgroup2: true,
  memoryAvailableMb: 8000,
  freeDiskMb: { "/cache": 20_000 },
};
const needs = { memoryMb: 5000, diskMb: { "/cache": 15_000 } };

test("a fit box has no problem", () => {
  expect(problems(fit, needs)).toEqual([]);
  expect(() => requireFit(fit, needs)).not.toThrow();
});

test.each<[string, Partial<Facts>, RegExp]>([
  ["another user than root", { user: 1000 }, /user 1000: run the same command as root/],
  ["another architecture", { architecture: "arm64" }, /this box is arm64: use an x86-64 machine/],
  ["a kernel without tcx", { kernelRelease: "6.1.0-40-amd64" }, /Kernel 6\.1\.0-40-amd64 has no tcx.*6\.6 or newer/],
  ["a kernel without BTF", { hasBtf: false }, /no BTF.*CONFIG_DEBUG_INFO_BTF/],
  ["a kernel without overlayfs", { fileSystems: ["bpf"] }, /lacks the file system overlay.*CONFIG_OVERLAY_FS/],
  ["a kernel without bpffs", { fileSystems: ["overlay"] }, /lacks the file system bpf.*CONFIG_BPF_SYSCALL/],
  ["no cgroup2", { hasCgroup2: false }, /No cgroup2 hierarchy.*mount one/],
  ["too little memory", { memoryAvailableMb: 3000 }, /3000 MiB of memory are available.*need 5000 MiB.*free memory/],
  ["too little disk", { freeDiskMb: { "/cache": 900 } }, /900 MiB are free.*\/cache.*15000 MiB.*SANSPROXY_CACHE/],
])("%s is one sentence with the remedy", (_, change, sentence) => {
  const found = problems({ ...fit, ...change }, needs);
  expect(found).toHaveLength(1);
  expect(found[0]).toMatch(sentence);
});

test("several problems are told at once", () => {
  const broken = { ...fit, user: 1, hasBtf: false, memoryAvailableMb: 1 };
  expect(() => requireFit(broken, needs)).toThrow(/user 1[\s\S]*BTF[\s\S]*1 MiB of memory/);
});

test("a newer major version of the kernel is not older", () => {
  expect(problems({ ...fit, kernelRelease: "7.0.0" }, needs)).toEqual([]);
});

test("available memory is read in MiB", () => {
  expect(availableMb("MemTotal: 100 kB\nMemAvailable:    2097152 kB\n")).toBe(2048);
});
