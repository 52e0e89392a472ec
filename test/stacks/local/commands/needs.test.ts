// SPDX-License-Identifier: Apache-2.0
// Shows that what `up` asks of the box follows the stack's configuration and what is in the cache.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { needsOf, readConfiguration, settingsOfUp } from "../../../../stacks/local/commands/needs.ts";
import { stackName } from "../../../../stacks/local/commands/workspace.ts";
import { machinesRoot } from "../../../../stacks/local/host/paths.ts";
import { planMachines } from "../../../../stacks/local/settings.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sansproxy-needs-"));
});
afterEach(() => rmSync(folder, { recursive: true }));
const stackFile = (text: string) => writeFileSync(join(folder, `Pulumi.${stackName}.yaml`), text);
const settingsWith = (configuration: Record<string, string>) =>
  settingsOfUp(
    Object.entries(configuration).flatMap(([key, value]) => ["-c", `${key}=${value}`]),
    folder,
  );
const memoryMb = async (configuration: Record<string, string>) =>
  needsOf(planMachines(await settingsWith(configuration)), 0, {}).memory.mb;

test("memory is that of the machines that the configuration asks for", async () => {
  const few = await memoryMb({ workers: "1" });
  expect(await memoryMb({})).toBe(few + 1024);
  expect(await memoryMb({ workers: "10" })).toBe(few + 9 * 1024);
  expect(await memoryMb({ workers: "1", workerMemoryMb: "512", controlPlaneMemoryMb: "4096" })).toBe(few - 512 + 2048);
});

test("the stack's file counts, and what an argument sets goes before it, in each form that Pulumi takes", async () => {
  expect(await readConfiguration([], folder)).toEqual({});
  stackFile(
    "encryptionsalt: v1:x\nconfig:\n  sansproxy:workers: 10\n  aws:region: x\n  sansproxy:key:\n    secure: y\n",
  );
  expect(await readConfiguration([], folder)).toEqual({ workers: "10" });
  for (const args of [
    ["-c", "sansproxy:workers=1"],
    ["-c=sansproxy:workers=1"],
    ["--config", "workers=1"],
    ["--config=sansproxy:workers=1", "--yes"],
  ]) {
    expect(await readConfiguration(args, folder), args.join(" ")).toEqual({ workers: "1" });
  }
});

test("a value that cannot be is refused before anything is built", async () => {
  await expect(settingsWith({ workers: "many" })).rejects.toThrow(/sansproxy:workers is "many".*whole number/);
  await expect(settingsWith({ kubernetesVersion: "1.35.1" })).rejects.toThrow(
    /is "1\.35\.1".* patch version of v1\.36: npm run up/,
  );
});

test("a key that is misspelt is refused with those that there are", async () => {
  await expect(settingsWith({ worker: "3" })).rejects.toThrow(
    /sansproxy:worker is not known; .*workerMemoryMb, workers/,
  );
});

test("machines that run already need no more, and the remedy is a command that helps", () => {
  const { memory } = needsOf([], 0, {});
  expect(memory.mb).toBeLessThan(1000);
  expect(memory.remedy).toContain("npm run up -- -c sansproxy:workers=1");
});

test("what has to be built needs memory, and room in the cache and in Go's caches, each with its remedy", async () => {
  const go = { GOCACHE: "/go/build", GOMODCACHE: "/go/mod" };
  const { memory, disk } = needsOf([], 1, go);
  expect(memory).toMatchObject({ mb: 3000, remedy: "free memory" });
  expect(disk.map(({ folder: name }) => name)).toEqual([expect.any(String), machinesRoot, "/go/build", "/go/mod"]);
  expect(disk.slice(2).reduce((sum, { mb }) => sum + mb, 0)).toBeGreaterThan(11_000);
  expect(disk[2]?.remedy).toContain("GOCACHE");
  expect(needsOf([], 0, {}).disk).toHaveLength(2);
  expect(needsOf(planMachines(await settingsWith({})), 0, {}).disk[1]?.mb).toBe(7_000);
});
