// SPDX-License-Identifier: Apache-2.0
// Runs plugins that are written for Node.js: policy packs, and providers of components.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { join } from "node:path";
import type * as messages from "@pulumi/pulumi/proto/language_pb.js";
import { type Launch, runtimeOptions } from "./program.ts";

/** What a plugin says, and at last how it ended. */
export interface PluginOutput {
  stdout(chunk: Buffer): void;
  stderr(chunk: Buffer): void;
}

/** `NAME=value` lines as an environment; a later one wins. */
const environment = (lines: readonly string[]): NodeJS.ProcessEnv =>
  Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));

/** The command line of the SDK's own runner: a policy pack runs in its own folder, and is named after its arguments. */
export const launchPlugin = (request: messages.RunPluginRequest): Launch => {
  const info = request.getInfo();
  if (info === undefined) throw new Error("the engine did not say which plugin to run");
  const directory = info.getProgramDirectory();
  const options = runtimeOptions((info.getOptions()?.toJavaScript() ?? {}) as Record<string, unknown>);
  const policyPack = request.getKind() === "analyzer";
  const runner = `@pulumi/pulumi/cmd/${policyPack ? "run-policy-pack" : "run-plugin"}`;
  const run = createRequire(join(directory, "plugin.js")).resolve(runner);
  const rest = request.getArgsList();
  return {
    args: [...options.nodeArguments, run, ...(policyPack ? [...rest, directory] : [directory, ...rest])],
    env: {
      ...environment(request.getEnvList()),
      ...(options.typescript ? { PULUMI_NODEJS_TYPESCRIPT: "true" } : {}),
      ...(options.tsconfig === undefined ? {} : { PULUMI_NODEJS_TSCONFIG_PATH: options.tsconfig }),
    },
    cwd: policyPack ? directory : request.getPwd(),
  };
};

/** Runs the plugin until it ends, or until `signal` says that the engine has no more use for it; gives its exit code. */
export const runPlugin = async (
  { args, env, cwd }: Launch,
  output: PluginOutput,
  signal: AbortSignal,
): Promise<number> => {
  signal.throwIfAborted();
  const child = spawn(process.execPath, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.on("data", output.stdout);
  child.stderr.on("data", output.stderr);
  // A plugin serves until it is ended, and keeps nothing that an orderly end would save.
  const onAbort = (): void => void child.kill("SIGKILL");
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const [code] = (await once(child, "close")) as [number | null];
    return code ?? 1;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
};
