// SPDX-License-Identifier: Apache-2.0
// `up`: brings everything the local stack needs, runs the Pulumi update, and closes with what a person wants to know.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { run, runInteractive } from "../host/exec.ts";
import { gatherFacts } from "../host/facts.ts";
import { bringPackages } from "../host/packages.ts";
import { cacheDirectory, clone, machinesRoot, repository } from "../host/paths.ts";
import { type Needs, requireFit } from "../host/preflight.ts";
import { duration, say } from "../host/progress.ts";
import { listMachines } from "../machines/machine.ts";
import { prepareToolchain } from "../toolchain/toolchain.ts";
import { recoverStack, releaseStaleLock } from "./recovery.ts";
import { type StackOutputs, summaryLines } from "./summary.ts";
import { prepareWorkspace, pulumiEnvironment, selectStack, stackName } from "./workspace.ts";

const machinesMemoryMb = 5_000;
const buildMemoryMb = 3_000;

/** Runs the update, or only its preview; returns Pulumi's exit code. */
export async function up(args: readonly string[]): Promise<number> {
  const started = performance.now();
  await prepare();
  await selectStack();
  const preview = args.includes("--preview");
  // A preview changes nothing, in the cluster neither.
  if (preview) await releaseStaleLock();
  else await recoverStack();
  const passed = args.filter((arg) => arg !== "--preview");
  // The outputs hold every check's result: the summary shows them as a table, so Pulumi need not list them.
  const verb = preview ? ["preview", "--suppress-outputs"] : ["up", "--yes", "--suppress-outputs"];
  say(`• pulumi ${[...verb, "--stack", stackName, ...passed].join(" ")}`);
  const pulumi = join(clone.bin, "pulumi");
  const env = pulumiEnvironment();
  const code = await runInteractive(pulumi, [...verb, "--stack", stackName, ...passed], { cwd: repository, env });
  const took = duration(performance.now() - started);
  if (code !== 0) {
    say(`\nThe ${preview ? "preview" : "update"} ended with code ${code} after ${took}.`);
    if (!preview) say("Run `npm run up` to go on from here, or `npm run down` to remove everything.");
    return code;
  }
  if (preview) return 0;
  const shown = await run(pulumi, ["stack", "output", "--json", "--stack", stackName], { cwd: repository, env });
  const outputs = JSON.parse(shown) as StackOutputs;
  say(`\n${summaryLines(outputs, clone.kubeconfig, took).join("\n")}`);
  return 0;
}

/** Everything before Pulumi: checks of the box, packages, the clone's folder, the toolchain. */
export async function prepare(): Promise<void> {
  requireFit(await gatherFacts(), await needs());
  await bringPackages("up");
  await prepareWorkspace();
  await prepareToolchain();
}

/** A first run builds and needs room for it; running machines have their memory already. */
async function needs(): Promise<Needs> {
  const cold = !existsSync(clone.bundle);
  const running = (await listMachines(stackName)).some((machine) => machine.running);
  const memoryMb = running ? (cold ? buildMemoryMb : 500) : machinesMemoryMb;
  const cacheMb = cold ? 15_000 : 1_000;
  return { memoryMb, diskMb: { [cacheDirectory()]: cacheMb, [machinesRoot]: running ? 1_000 : 6_000 } };
}
