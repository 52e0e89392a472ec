// SPDX-License-Identifier: Apache-2.0
// Runs `command:local:Command` and `command:local:run`: a process on this machine, and the files it left.
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Dict } from "../values.ts";
import { collectArchive, collectAssets } from "./collected-files.ts";
import { failure, type Logging, Output, type Said } from "./output.ts";
import { endTree } from "./process-tree.ts";

/** The engine kills a plugin five seconds after it has asked it to end; its commands get a little less. */
const graceMs = 3_000;

export interface LocalInputs {
  readonly addPreviousOutputInEnv?: boolean;
  readonly archivePaths?: string[];
  readonly assetPaths?: string[];
  readonly dir?: string;
  readonly environment?: Record<string, string>;
  readonly interpreter?: string[];
  readonly logging?: Logging;
  readonly stdin?: string;
}

/** What the command before said, given to the next one in its environment. */
export const previousOutput = (inputs: { addPreviousOutputInEnv?: boolean }, previous: Partial<Said>) => {
  if (inputs.addPreviousOutputInEnv === false) return {};
  return {
    ...(previous.stdout ? { PULUMI_COMMAND_STDOUT: previous.stdout } : {}),
    ...(previous.stderr ? { PULUMI_COMMAND_STDERR: previous.stderr } : {}),
  };
};

const ending = (code: number | null, signal: NodeJS.Signals | null): string =>
  code === null ? `signal: ${signal}` : `exit status ${code}`;

/** Runs `command` to its end and returns its outputs (`stdout`, `stderr`, `assets`, `archive`). */
export const runLocally = async (
  command: string,
  inputs: LocalInputs,
  previous: Partial<Said>,
  show: (line: string) => void,
  signal: AbortSignal,
): Promise<Dict> => {
  signal.throwIfAborted();
  const interpreter = inputs.interpreter?.length ? inputs.interpreter : ["/bin/sh", "-c"];
  const [program = "/bin/sh", ...args] = [...interpreter, command];
  const cwd = inputs.dir ?? process.cwd();
  const env = { ...process.env, ...inputs.environment, ...previousOutput(inputs, previous) };
  const output = new Output(inputs.logging, show);
  const child = spawn(program, args, { cwd, env, stdio: ["pipe", "pipe", "pipe"] });
  child.stdout.on("data", (bytes: Buffer) => output.add("stdout", bytes));
  child.stderr.on("data", (bytes: Buffer) => output.add("stderr", bytes));
  // A command need not read its stdin to the end; whether it succeeded is in its exit status.
  child.stdin.on("error", () => child.stdin.destroy());
  child.stdin.end(inputs.stdin ?? "");
  let ended = (): void => {};
  const onAbort = (): void => {
    if (child.pid !== undefined) ended = endTree(child.pid, graceMs);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const [code, by] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
    const said = output.finish();
    if (signal.aborted) throw failure("cancelled", command, output);
    if (code !== 0) throw failure(ending(code, by), command, output);
    return {
      stdout: said.stdout,
      stderr: said.stderr,
      ...(inputs.assetPaths ? { assets: await collectAssets(cwd, inputs.assetPaths) } : {}),
      ...(inputs.archivePaths ? { archive: await collectArchive(cwd, inputs.archivePaths) } : {}),
    };
  } finally {
    signal.removeEventListener("abort", onAbort);
    ended();
  }
};
