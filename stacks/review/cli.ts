// SPDX-License-Identifier: Apache-2.0
// The command `sansproxy review`: reads or runs a preview, writes the review, and stops a pipeline where it was told to.

import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { Command, CommanderError, InvalidArgumentError } from "commander";
import { type Gate, gates, parseGates, stopped } from "./gate.ts";
import { markdownOf } from "./markdown.ts";
import { readPreview } from "./preview.ts";
import { reviewOf } from "./review.ts";

const exitCodes = { usage: 2, stopped: 3 } as const;

interface Options {
  readonly cwd?: string;
  readonly stack?: string;
  readonly output?: string;
  readonly failOn: readonly Gate[];
}

function readFile(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new Error(
      `The preview ${file} cannot be read (${(error as Error).message}): name a file that "pulumi preview --json --show-sames" wrote.`,
    );
  }
}

/** Runs the preview; its own messages go where this command's go. */
async function runPreview({ cwd, stack }: Options): Promise<string> {
  const args = [
    "preview",
    "--json",
    "--show-sames",
    "--non-interactive",
    ...(stack === undefined ? [] : ["--stack", stack]),
  ];
  try {
    const { stdout } = await promisify(execFile)("pulumi", args, { cwd, maxBuffer: 2 ** 30, encoding: "utf8" });
    return stdout;
  } catch (error) {
    const { code, stdout = "", stderr = "" } = error as { code?: unknown; stdout?: string; stderr?: string };
    if (code === "ENOENT") throw new Error("pulumi is not on PATH: install it, or give the file of a preview.");
    const said = /"message": "(error: .*)"/.exec(stdout)?.[1] ?? stderr.trim().split("\n").at(-1) ?? "";
    throw new Error(`The preview failed (exit code ${String(code)}): ${said}`);
  }
}

async function review(file: string | undefined, options: Options): Promise<void> {
  const json =
    file === undefined ? await runPreview(options) : file === "-" ? await text(process.stdin) : readFile(file);
  const of = reviewOf(readPreview(json));
  const markdown = markdownOf(of);
  if (options.output === undefined) process.stdout.write(markdown);
  else writeFileSync(options.output, markdown);
  const reasons = stopped(of, options.failOn);
  if (reasons.length === 0) return;
  process.stderr.write(`sansproxy review: stopped, for ${reasons.join("; ")}.\n`);
  process.exitCode = exitCodes.stopped;
}

const gatesOf = (list: string): Gate[] => {
  try {
    return parseGates(list);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
};

const program = new Command("sansproxy review")
  .description(
    "Review an update before it runs: nodes, datapath values, traffic, policy, order, rollback, as Markdown for a pull request.",
  )
  .argument(
    "[preview]",
    "file of `pulumi preview --json --show-sames`, or - for standard input (default: run the preview)",
  )
  .option("--cwd <folder>", "folder of the Pulumi project, when the preview is run")
  .option("--stack <name>", "stack, when the preview is run")
  .option("-o, --output <file>", "where to write the review (default: standard output)")
  .option("--fail-on <list>", `exit with 3 for any of: ${gates.join(", ")} (effects include worse ones)`, gatesOf, [])
  .addHelpText("after", "\nExit status: 0 reviewed, 1 no preview to be had, 2 called wrongly, 3 stopped by --fail-on.")
  .showSuggestionAfterError()
  .exitOverride()
  .action(review);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : exitCodes.usage;
  } else {
    process.stderr.write(`sansproxy review: ${(error as Error).message}\n`);
    process.exitCode = 1;
  }
}
