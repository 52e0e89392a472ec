// SPDX-License-Identifier: Apache-2.0
// The machines' command line: a specification as JSON on stdin, one JSON result on stdout, progress on stderr.

import { text } from "node:stream/consumers";
import { Command } from "commander";
import { createMachine, deleteMachine, listMachines } from "./machine.ts";
import { createNetwork, deleteNetwork } from "./network.ts";
import { checkName, parseMachineSpec, parseNetworkSpec } from "./spec.ts";
import { sweep } from "./sweep.ts";

const program = new Command("machines")
  .description("Machines of a local stack: real Debian systems in containers on this box.")
  .showHelpAfterError();

program
  .command("create")
  .description("make the machine described on stdin, or complete it, and wait until it can be reached")
  .action(async () => answer(await createMachine(parseMachineSpec(await text(process.stdin)))));

program
  .command("delete")
  .description("end and remove the machine described on stdin")
  .action(async () => {
    const spec = parseMachineSpec(await text(process.stdin));
    await deleteMachine(spec.stack, spec.name);
    answer({ name: spec.name, deleted: true });
  });

program
  .command("network-create")
  .description("make the bridge described on stdin")
  .action(async () => answer(await createNetwork(parseNetworkSpec(await text(process.stdin)))));

program
  .command("network-delete")
  .description("remove the bridge described on stdin")
  .action(async () => {
    const spec = parseNetworkSpec(await text(process.stdin));
    await deleteNetwork(spec.stack, spec.bridge.name);
    answer({ bridge: spec.bridge.name, deleted: true });
  });

program
  .command("list")
  .description("list the machines of a stack")
  .requiredOption("--stack <name>", "stack")
  .action(async (options: { stack: string }) => answer(await listMachines(checkName("stack", options.stack))));

program
  .command("sweep")
  .description("remove every trace of a stack from this box")
  .requiredOption("--stack <name>", "stack")
  .action(async (options: { stack: string }) => {
    await sweep(checkName("stack", options.stack));
    answer({ stack: options.stack, swept: true });
  });

function answer(result: unknown): void {
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

try {
  if (process.getuid?.() !== 0 && !process.argv.includes("--help")) {
    throw new Error("Machines are made of mounts, links and cgroups, which only root may change: run this as root.");
  }
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
