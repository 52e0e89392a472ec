// SPDX-License-Identifier: Apache-2.0
// `down`: takes the stack away through Pulumi where that can work, then every trace of it from the box and the clone.

import { existsSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { runInteractive } from "../host/exec.ts";
import { cacheDirectory, clone, machinesRoot, repository } from "../host/paths.ts";
import { duration, say, step } from "../host/progress.ts";
import { listMachines } from "../machines/machine.ts";
import { sweep } from "../machines/sweep.ts";
import { recoverStackForRemoval } from "./recovery.ts";
import { pulumiEnvironment, stackExists, stackName } from "./workspace.ts";

export interface DownOptions {
  readonly purgeCache: boolean;
  /** Also remove machines that another clone made. */
  readonly force: boolean;
}

/** Removes the stack; also after a half-failed update, without state, and twice in a row. */
export async function down(options: DownOptions): Promise<number> {
  if (process.getuid?.() !== 0) {
    throw new Error("Machines are made of mounts, links and cgroups, which only root may remove: run this as root.");
  }
  const started = performance.now();
  if (!options.force) await refuseForeignMachines();
  if (stackExists() && existsSync(join(clone.bin, "pulumi"))) await destroy();
  await step(`every trace of stack ${stackName} on this box`, () => sweep(stackName));
  for (const path of [clone.state, clone.kubeconfig, clone.ssh]) await rm(path, { recursive: true, force: true });
  if (options.purgeCache) {
    // The machines' disks are layers over an image in the cache.
    if (existsSync(machinesRoot)) {
      throw new Error(`The cache stays: machines of another stack (${machinesRoot}) still use it; remove these first.`);
    }
    await step(`cache ${cacheDirectory()}`, () => rm(cacheDirectory(), { recursive: true, force: true }));
  }
  say(`\nNothing of stack ${stackName} is left. ${duration(performance.now() - started)} in all.`);
  return 0;
}

/** Another clone's stack of the same name is not ours to remove. */
async function refuseForeignMachines(): Promise<void> {
  const keyFile = join(clone.ssh, "id_ed25519.pub");
  const ownKey = existsSync(keyFile) ? (await readFile(keyFile, "utf8")).trim() : undefined;
  const foreign = (await listMachines(stackName)).filter(
    ({ authorizedKey }) => authorizedKey !== undefined && authorizedKey !== ownKey,
  );
  if (foreign.length === 0) return;
  throw new Error(
    `The machines ${foreign.map(({ name }) => name).join(", ")} of stack ${stackName} were made from another clone of ` +
      "this project: run `npm run down` there, or `npm run down -- --force` here to remove them all the same.",
  );
}

/** Lets Pulumi delete what it made. What it cannot reach any more goes with the machines, which are removed anyway. */
async function destroy(): Promise<void> {
  await recoverStackForRemoval();
  const args = ["destroy", "--yes", "--skip-preview", "--continue-on-error", "--stack", stackName];
  say(`• pulumi ${args.join(" ")}`);
  const code = await runInteractive(join(clone.bin, "pulumi"), args, { cwd: repository, env: pulumiEnvironment() });
  if (code === 130) throw new Error("Interrupted: run `npm run down` again to remove the rest.");
  if (code !== 0)
    say(`Pulumi could not delete everything (code ${code}): the machines are removed with all they hold.`);
}
