// SPDX-License-Identifier: Apache-2.0
// The project's command line: what `npm run up`, `npm run down` and their companions call.

import { Command } from "commander";
import { bench } from "./commands/bench.ts";
import { type DownOptions, down } from "./commands/down.ts";
import { e2e } from "./commands/e2e.ts";
import { fuzz } from "./commands/fuzz.ts";
import { buildBpf, kubectl, oracle, pulumi, test, testPackages } from "./commands/passed-through.ts";
import { status } from "./commands/status.ts";
import { prepare, up } from "./commands/up.ts";
import { neededByTests } from "./toolchain/programs.ts";

// A reader that has seen enough (`| head`) ends us without a word, as it ends other programs.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});

const program = new Command("sansproxy-local")
  .description("Kubernetes without kube-proxy on machines of this box.")
  .showHelpAfterError()
  .enablePositionalOptions();

/** A command whose arguments all belong to the program behind it. */
function passing(name: string, description: string, action: (args: string[]) => Promise<number>): void {
  program
    .command(name)
    .description(description)
    .argument("[args...]", "passed on as they are")
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (args: string[]) => {
      process.exitCode = await action(args);
    });
}

program
  .command("up")
  .description("prepare everything and run the Pulumi update; --preview only shows what it would do")
  .argument("[args...]", "options of `pulumi up`, for example --expect-no-changes")
  .option("--preview", "run `pulumi preview` instead of the update")
  .allowUnknownOption()
  .action(async (args: string[], options: { preview?: boolean }) => {
    process.exitCode = await up([...(options.preview === true ? ["--preview"] : []), ...args]);
  });

program
  .command("down")
  .description("remove every trace of the stack: machines, bridge, mounts, cgroups, state")
  .option("--purge-cache", "also remove what was built and downloaded", false)
  .option("--force", "also remove machines of this stack that another clone made", false)
  .action(async (options: DownOptions) => {
    process.exitCode = await down(options);
  });

program
  .command("prepare")
  .description("build or find the toolchain, images and plugins, and nothing more")
  .option("--tests", "also the programs that only the tests run", false)
  .action(async ({ tests }: { tests: boolean }) => await prepare([], tests ? neededByTests : []));

program
  .command("test-packages")
  .description("install the distribution's packages that the tests need")
  .action(async () => await testPackages());

program
  .command("status")
  .description("say which machines run")
  .action(async () => {
    process.exitCode = await status();
  });

program
  .command("build-bpf")
  .description("compile the BPF programs into .build/bpf")
  .action(async () => {
    process.exitCode = await buildBpf();
  });

passing("kubectl", "talk to the cluster: kubectl -- get nodes", kubectl);
passing("pulumi", "run pulumi with this clone's state and plugins: pulumi -- stack output", pulumi);
passing(
  "e2e",
  "judge the stack by Kubernetes' own network tests: e2e -- [--focus REGEX] [--conformance] [--list]",
  e2e,
);
passing(
  "bench",
  "measure beside the real kube-proxy: bench -- [--quick] [--only SUITE,...] [--services N,...] [--compare FILE]",
  bench,
);
passing("oracle", "compare our proxy with a reference and the real kube-proxy: oracle -- --cases N --seed S", oracle);
passing("fuzz", "hold damaged packets against a model of verdicts: fuzz -- [--packets N] [--seed S]", fuzz);
passing("test", "run all tests, or the stages that are named", test);

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`\n${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
