// SPDX-License-Identifier: Apache-2.0
// The project's command line: what `npm run up`, `npm run down` and their companions call.

import { Command } from "commander";
import { bench } from "./commands/bench.ts";
import { cloudRuns, clouds } from "./commands/clouds.ts";
import { type DownOptions, down } from "./commands/down.ts";
import { e2e } from "./commands/e2e.ts";
import { fuzz } from "./commands/fuzz.ts";
import { buildBpf, kubectl, oracle, pulumi, test, testPackages } from "./commands/passed-through.ts";
import { rollingUpdate } from "./commands/rolling-update.ts";
import { status } from "./commands/status.ts";
import { prepare, up } from "./commands/up.ts";
import { earlierKubernetesVersion, neededByTests } from "./toolchain/programs.ts";
import { bundleFor } from "./toolchain/toolchain.ts";

// A reader that has seen enough (`| head`) ends us without a word, as it ends other programs.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});

// Commands are called as npm scripts, and so they name themselves.
const program = new Command("npm run")
  .usage("COMMAND -- [arguments]")
  .description("Kubernetes without kube-proxy on machines of this box.")
  .showHelpAfterError()
  .enablePositionalOptions();

interface Passing {
  readonly name: string;
  readonly description: string;
  /** The program behind the command explains its own options. */
  readonly helps?: boolean;
  run(args: string[]): Promise<number>;
}

/** A command whose arguments all belong to the program behind it. */
function passing({ name, description, helps = false, run }: Passing): void {
  const command = program.command(name).description(description).usage("-- [arguments]");
  if (helps) command.helpOption(false);
  command
    .argument("[args...]", "passed on as they are")
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (args: string[]) => {
      process.exitCode = await run(args);
    });
}

program
  .command("up")
  .usage("-- [options]")
  .description("prepare everything and run the Pulumi update; --preview only shows what it would do")
  .argument("[args...]", "options of `pulumi up`, for example --expect-no-changes")
  .option("--preview", "run `pulumi preview` instead of the update")
  .allowUnknownOption()
  .action(async (args: string[], options: { preview?: boolean }) => {
    process.exitCode = await up([...(options.preview === true ? ["--preview"] : []), ...args]);
  });

program
  .command("down")
  .usage("-- [options]")
  .description("remove every trace of the stack: machines, bridge, mounts, cgroups, state")
  .option("--purge-cache", "also remove what was built and downloaded", false)
  .option("--force", "also remove machines of this stack that another clone made", false)
  .action(async (options: DownOptions) => {
    process.exitCode = await down(options);
  });

program
  .command("toolchain")
  .usage("-- [options]")
  .description("build or find the toolchain, images and plugins, and nothing more")
  .option("--tests", "also the programs that only the tests run", false)
  .action(async ({ tests }: { tests: boolean }) => {
    await prepare([], tests ? neededByTests : []);
    if (tests) await bundleFor(earlierKubernetesVersion);
  });

program
  .command("test-packages", { hidden: true })
  .description("install the distribution's packages that the tests need")
  .action(async () => await testPackages());

program
  .command("status")
  .description("say which machines run")
  .action(async () => {
    process.exitCode = await status();
  });

program
  .command("build:bpf")
  .description("compile the BPF programs into .build/bpf")
  .action(async () => {
    process.exitCode = await buildBpf();
  });

for (const command of [
  { name: "kubectl", description: "talk to the cluster: kubectl -- get nodes", helps: true, run: kubectl },
  {
    name: "pulumi",
    description: "run pulumi with this clone's state and plugins: pulumi -- stack output",
    helps: true,
    run: pulumi,
  },
  { name: "e2e", description: "judge the datapath by Kubernetes' own network tests", helps: true, run: e2e },
  { name: "bench", description: "measure beside the real kube-proxy", helps: true, run: bench },
  {
    name: "oracle",
    description: "compare our proxy with a reference and the real kube-proxy: oracle -- --cases N --seed S",
    helps: true,
    run: oracle,
  },
  {
    name: "fuzz",
    description: "hold damaged packets against a model of verdicts: fuzz -- [--packets N] [--seed S]",
    helps: true,
    run: fuzz,
  },
  {
    name: "clouds",
    description: `bring the cloud stacks up on simulated accounts: clouds -- [${cloudRuns.join("|")}]`,
    run: clouds,
  },
  {
    name: "rolling-update",
    description: "replace all Pods of a Service under load; no new connection may fail",
    helps: true,
    run: rollingUpdate,
  },
  { name: "test", description: "run all tests, or the named stages: test -- unit bpf", helps: true, run: test },
]) {
  passing(command);
}

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`\n${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
