// SPDX-License-Identifier: Apache-2.0
// Runs helm and kubectl: their arguments hold no secrets, which go in by stdin or as nameless files.
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { PrivateFile } from "./private-file.ts";

/** What a cancelled helm gets to write down how far it came; the engine kills the plugin after five seconds. */
const graceMs = 4_000;

export interface ToolRun {
  readonly program: "helm" | "kubectl";
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly files: readonly PrivateFile[];
  readonly stdin?: string;
  readonly signal: AbortSignal;
}

export interface ToolResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const collect = (stream: NodeJS.ReadableStream): (() => string) => {
  const chunks: Buffer[] = [];
  stream.on("data", (bytes: Buffer) => chunks.push(bytes));
  return () => Buffer.concat(chunks).toString("utf8");
};

export const runTool = async ({ program, args, env, files, stdin, signal }: ToolRun): Promise<ToolResult> => {
  signal.throwIfAborted();
  const child = spawn(program, args, { env, stdio: ["pipe", "pipe", "pipe", ...files.map(({ fd }) => fd)] });
  const started = once(child, "spawn").catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
    throw new Error(`${program} is not on PATH: install it, or source .sansproxy/env`);
  });
  await started;
  const { stdin: input, stdout, stderr } = child;
  if (input === null || stdout === null || stderr === null) throw new Error(`${program} has no pipes`);
  const [out, error] = [collect(stdout), collect(stderr)];
  input.on("error", () => input.destroy());
  input.end(stdin ?? "");
  let timer: NodeJS.Timeout | undefined;
  const onAbort = (): void => {
    child.kill("SIGTERM");
    timer = setTimeout(() => child.kill("SIGKILL"), graceMs);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const [code] = (await once(child, "close")) as [number | null];
    return { code, stdout: out(), stderr: error() };
  } finally {
    signal.removeEventListener("abort", onAbort);
    clearTimeout(timer);
  }
};
