// SPDX-License-Identifier: Apache-2.0
// Runs the user's program as the official Node.js host does: `@pulumi/pulumi/cmd/run` of the project in a Node process.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { join } from "node:path";
import type * as messages from "@pulumi/pulumi/proto/language_pb.js";

/** The exit code of cmd/run after it has itself told the user what is wrong. */
const alreadyReported = 32;
/** How long an interrupted program may take before it is killed. */
const interruptGraceMs = 5_000;

export interface RuntimeOptions {
  readonly typescript: boolean;
  readonly tsconfig: string | undefined;
  readonly nodeArguments: readonly string[];
}

/** Words of a command line, with single and double quotes. */
export const words = (line: string): string[] =>
  [...line.matchAll(/(?:[^\s"']+|"[^"]*"|'[^']*')+/g)].map(([word]) => word.replace(/"([^"]*)"|'([^']*)'/g, "$1$2"));

/** `runtime.options` of Pulumi.yaml, as the official host reads them. */
export const runtimeOptions = (options: Record<string, unknown>): RuntimeOptions => ({
  typescript: options["typescript"] !== false,
  tsconfig: typeof options["tsconfig"] === "string" ? options["tsconfig"] : undefined,
  nodeArguments: typeof options["nodeargs"] === "string" ? words(options["nodeargs"]) : [],
});

/** `project:name` travels as `project:config:name`, which every version of the SDK reads. */
export const configuration = (entries: Iterable<[string, string]>): string => {
  const transformed: Record<string, string> = {};
  for (const [key, value] of entries) {
    const parts = key.split(":");
    transformed[parts.length === 2 ? `${parts[0]}:config:${parts[1]}` : key] = value;
  }
  return JSON.stringify(transformed);
};

export interface Launch {
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
}

/** The command line and environment of the process which runs the program. */
export const launch = (request: messages.RunRequest, engine: string | undefined): Launch => {
  const info = request.getInfo();
  if (info === undefined) throw new Error("the engine did not say which program to run");
  const directory = info.getProgramDirectory();
  const options = runtimeOptions((info.getOptions()?.toJavaScript() ?? {}) as Record<string, unknown>);
  const run = createRequire(join(directory, "program.js")).resolve("@pulumi/pulumi/cmd/run");
  const flags: [string, string | undefined][] = [
    ["monitor", request.getMonitorAddress()],
    ["engine", engine],
    ["organization", request.getOrganization()],
    ["project", request.getProject()],
    ["root-directory", info.getRootDirectory()],
    ["stack", request.getStack()],
    ["pwd", directory],
    ["parallel", String(request.getParallel())],
  ];
  return {
    args: [
      ...options.nodeArguments,
      run,
      ...flags.flatMap(([flag, value]) => (value ? [`--${flag}`, value] : [])),
      ...(request.getDryrun() ? ["--dry-run"] : []),
      info.getEntryPoint(),
      ...request.getArgsList(),
    ],
    env: {
      ...process.env,
      PULUMI_CONFIG: configuration(request.getConfigMap().entries() as unknown as Iterable<[string, string]>),
      PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(request.getConfigsecretkeysList()),
      ...(options.typescript ? { PULUMI_NODEJS_TYPESCRIPT: "true" } : {}),
      ...(options.tsconfig === undefined ? {} : { PULUMI_NODEJS_TSCONFIG_PATH: options.tsconfig }),
    },
    cwd: directory,
  };
};

export interface Outcome {
  readonly error: string;
  /** The user knows already: the engine stops without another message. */
  readonly bail: boolean;
}

export const outcome = (code: number | null, signal: NodeJS.Signals | null): Outcome => {
  if (code === 0) return { error: "", bail: false };
  if (code === alreadyReported) return { error: "", bail: true };
  const how = code === null ? `was ended by ${signal ?? "a signal"}` : `exited with non-zero exit code: ${code}`;
  return { error: `Program ${how}`, bail: false };
};

const interrupt = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGINT");
  const timer = setTimeout(() => child.kill("SIGKILL"), interruptGraceMs);
  await gone;
  clearTimeout(timer);
};

/** Runs the program to its end; an aborted `signal` interrupts it. */
export const runProgram = async ({ args, env, cwd }: Launch, signal: AbortSignal): Promise<Outcome> => {
  signal.throwIfAborted();
  const child = spawn(process.execPath, args, { cwd, env, stdio: ["ignore", "inherit", "inherit"] });
  const onAbort = (): void => void interrupt(child);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const [code, ended] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
    return outcome(code, ended);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
};
