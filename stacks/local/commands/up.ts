// SPDX-License-Identifier: Apache-2.0
// `up`: brings everything the local stack needs, runs the Pulumi update, and closes with what a person wants to know.

import { join } from "node:path";
import { run, runInteractive } from "../host/exec.ts";
import { gatherFacts } from "../host/facts.ts";
import { bringPackages } from "../host/packages.ts";
import { clone, repository } from "../host/paths.ts";
import { requireFit } from "../host/preflight.ts";
import { duration, say } from "../host/progress.ts";
import type { ProgramName } from "../toolchain/programs.ts";
import { prepareToolchain } from "../toolchain/toolchain.ts";
import { needsOfUp, settingsOfUp } from "./needs.ts";
import { recoverStack, releaseStaleLock } from "./recovery.ts";
import { type StackOutputs, summaryLines } from "./summary.ts";
import { prepareWorkspace, pulumiEnvironment, selectStack, stackName } from "./workspace.ts";

/** Runs the update, or only its preview; returns Pulumi's exit code. */
export async function up(args: readonly string[]): Promise<number> {
  const started = performance.now();
  await prepare(args);
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

/** Everything before Pulumi: checks of the box, packages, the clone's folder, the toolchain and `more` programs. */
export async function prepare(args: readonly string[] = [], more: readonly ProgramName[] = []): Promise<void> {
  const settings = await settingsOfUp(args);
  const needs = await needsOfUp(settings);
  requireFit(await gatherFacts(needs.disk.map(({ folder }) => folder)), needs);
  await bringPackages("up");
  await prepareWorkspace();
  await prepareToolchain(settings.kubernetesVersion, more);
}
