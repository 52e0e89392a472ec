// SPDX-License-Identifier: Apache-2.0
// Removes every trace of a stack from this box, whatever state an earlier run left it in.

import { existsSync } from "node:fs";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../host/exec.ts";
import { machinesRoot } from "../host/paths.ts";
import { say } from "../host/progress.ts";
import { restoreBoxSettings } from "./box-settings.ts";
import { hierarchies, removeCgroups, removeEmptyCgroups } from "./cgroups.ts";
import { deleteMachine } from "./machine.ts";
import { unmountBelow } from "./mounts.ts";
import { bridgesOf, deleteNetwork } from "./network.ts";
import { systemdRunsThisBox, unitOf } from "./nspawn.ts";

/** Ends and removes all machines, the network and the files of a stack; says what it removed. */
export async function sweep(stack: string): Promise<void> {
  const root = join(machinesRoot, stack);
  for (const name of await machineNames(stack)) {
    say(`  removing machine ${name}`);
    await deleteMachine(stack, name);
  }
  await endStrays(root);
  if (systemdRunsThisBox()) await stopUnits(stack);
  await removeCgroups(`sansproxy/${stack}`);
  await removeEmptyCgroups("sansproxy");
  for (const bridge of await bridgesOf(stack)) {
    say(`  removing bridge ${bridge}`);
    await deleteNetwork(stack, bridge);
  }
  await unmountBelow(root);
  await rm(root, { recursive: true, force: true });
  await restoreBoxSettings();
}

/** Machines known by their folder or only by a cgroup that was left behind. */
async function machineNames(stack: string): Promise<string[]> {
  const names = new Set<string>();
  const folders = [join(machinesRoot, stack)];
  for (const hierarchy of await hierarchies()) folders.push(join(hierarchy.mountPoint, "sansproxy", stack));
  for (const folder of folders) {
    if (!existsSync(folder)) continue;
    for (const entry of await readdir(folder, { withFileTypes: true })) if (entry.isDirectory()) names.add(entry.name);
  }
  return [...names];
}

/** Ends nspawn processes of this stack that run outside its cgroups: recognized by the folder they serve. */
async function endStrays(root: string): Promise<void> {
  for (const entry of await readdir("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const line = await readFile(`/proc/${entry}/cmdline`, "utf8").catch(() => "");
    const [program, ...args] = line.split("\0");
    if (!program?.endsWith("systemd-nspawn")) continue;
    if (args.some((arg) => arg.startsWith(`--directory=${root}/`))) process.kill(Number(entry), "SIGKILL");
  }
}

async function stopUnits(stack: string): Promise<void> {
  const listed = await run("systemctl", ["list-units", "--all", "--plain", "--no-legend", unitOf(`${stack}-*`)]);
  for (const line of listed.split("\n")) {
    const unit = line.trim().split(/\s+/)[0];
    if (unit) await run("systemctl", ["stop", unit]);
  }
}
