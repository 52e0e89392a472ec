// SPDX-License-Identifier: Apache-2.0
// Shows that each thing a box may lack is refused with one sentence that names it and the remedy.

import { expect, test } from "vitest";
import { availableMb, type Facts } from "../../../../stacks/local/host/facts.ts";
import { type Needs, problems, requireFit } from "../../../../stacks/local/host/preflight.ts";

const fit: Facts = {
  user: 0,
  architecture: "x64",
  kernelRelease: "6.12.1-amd64",
  hasBtf: true,
  fileSystems: ["ext4", "overlay", "bpf"],
  hasCgroup2: true,
  memoryAvailableMb: 8000,
  disks: {
    "/cache": { device: 1, freeMb: 20_000 },
    "/machines": { device: 1, freeMb: 20_000 },
    "/go": { device: 2, freeMb: 20_000 },
  },
};
const needs: Needs = {
  memory: { mb: 5000, what: "3 machines need", remedy: "make fewer" },
  disk: [
    { folder: "/cache", mb: 14_000, remedy: "set SANSPROXY_CACHE" },
    { folder: "/machines", mb: 6_000, remedy: "make fewer machines" },
    { folder: "/go", mb: 11_000, remedy: "set GOCACHE" },
  ],
};
const disk = (device: number, freeMb: number) => ({ device, freeMb });

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
  [
    "too little memory",
    { memoryAvailableMb: 3000 },
    /3000 MiB of memory are available.*3 machines need 5000 MiB: make f/,
  ],
  [
    "a disk with room for each but not for all that lies on it",
    { disks: { "/cache": disk(1, 15_000), "/machines": disk(1, 15_000), "/go": disk(2, 20_000) } },
    /^15000 MiB .* 20000 MiB .*14000 for \/cache, 6000 for \/machines\).*SANSPROXY_CACHE; or make fewer machines\.$/,
  ],
  [
    "a small disk of one folder",
    { disks: { "/cache": disk(1, 20_000), "/machines": disk(1, 20_000), "/go": disk(2, 900) } },
    /^900 MiB .* 11000 MiB .*11000 for \/go\): free some; or set GOCACHE\.$/,
  ],
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
