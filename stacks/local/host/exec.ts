// SPDX-License-Identifier: Apache-2.0
// Runs programs: captured or shown live, with one clear sentence when they fail.

import { type SpawnOptions, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string;
  /** File that receives stdout and stderr; without it they are captured in memory. */
  readonly logFile?: string;
  /** Called with every line the program writes to stderr, while it runs. */
  readonly onErrorLine?: (line: string) => void;
  readonly signal?: AbortSignal;
  /** Open files that the program gets as 3 and following. */
  readonly inherited?: readonly number[];
}

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program that could not be started, was killed, or ended with a code other than 0. */
export class CommandFailed extends Error {
  override readonly name = "CommandFailed";
  readonly finished: Finished;

  constructor(message: string, finished: Finished) {
    super(message);
    this.finished = finished;
  }
}

/** Runs a program to its end and returns what it said, whatever its exit code. */
export async function runAnyway(program: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const log = options.logFile === undefined ? undefined : openSync(options.logFile, "w", 0o600);
  try {
    return await new Promise<Finished>((done, fail) => {
      const stdio: SpawnOptions["stdio"] = [
        options.input === undefined ? "ignore" : "pipe",
        log ?? "pipe",
        log ?? "pipe",
        ...(options.inherited ?? []),
      ];
      const child = spawn(program, args, {
        cwd: options.cwd,
        env: options.env ?? process.env,
        stdio,
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      });
      const stdout: Buffer[] = [];
      const stderr: Buffer[] = [];
      child.stdout?.on("data", (part: Buffer) => stdout.push(part));
      child.stderr?.on("data", (part: Buffer) => stderr.push(part));
      const { onErrorLine } = options;
      if (onErrorLine !== undefined && child.stderr !== null) {
        createInterface({ input: child.stderr }).on("line", onErrorLine);
      }
      child.on("error", fail);
      child.on("close", (code, signal) =>
        done({ code, signal, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() }),
      );
      if (options.input !== undefined && child.stdin !== null) {
        // A program may end without reading its input; its exit code says whether that was a failure.
        child.stdin.on("error", () => undefined);
        child.stdin.end(options.input);
      }
    });
  } finally {
    if (log !== undefined) closeSync(log);
  }
}

/** Runs a program to its end and returns its stdout; anything but exit code 0 is an error. */
export async function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const finished = await runAnyway(program, args, options);
  if (finished.code === 0) return finished.stdout;
  const how = finished.signal === null ? `ended with exit code ${finished.code}` : `was ended by ${finished.signal}`;
  const why = options.logFile === undefined ? lastLines(finished.stderr || finished.stdout) : `see ${options.logFile}`;
  throw new CommandFailed(`\`${[program, ...args].join(" ")}\` ${how}: ${why}`, finished);
}

/** Hands the terminal to a program and returns its exit code (128 + signal number when a signal ended it). */
export async function runInteractive(
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<number> {
  return await new Promise<number>((done, fail) => {
    const child = spawn(program, args, { cwd: options.cwd, env: options.env ?? process.env, stdio: "inherit" });
    // Two SIGINTs would make Pulumi give up at once: a terminal's Ctrl-C already reaches the child without us.
    const held = (["SIGINT", "SIGTERM", "SIGHUP"] as const).map((name): [NodeJS.Signals, () => void] => [
      name,
      () => {
        if (name !== "SIGINT" || !terminalSignalsChildren()) child.kill(name);
      },
    ]);
    for (const [name, handler] of held) process.on(name, handler);
    const release = () => {
      for (const [name, handler] of held) process.removeListener(name, handler);
    };
    child.on("error", (error) => {
      release();
      fail(error);
    });
    child.on("close", (code, signal) => {
      release();
      done(code ?? 128 + (signal === "SIGINT" ? 2 : signal === "SIGTERM" ? 15 : 9));
    });
  });
}

function lastLines(text: string): string {
  const lines = text.trim().split("\n").slice(-8);
  return lines.length === 1 ? (lines[0] ?? "") || "it said nothing" : `\n${lines.join("\n")}`;
}

/** True when this process is in the foreground group of a terminal. */
function terminalSignalsChildren(): boolean {
  const stat = readFileSync("/proc/self/stat", "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[2] === fields[5];
}
