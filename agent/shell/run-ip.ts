// SPDX-License-Identifier: Apache-2.0
// Runs iproute2's `ip`, in this process's network namespace, and says what it complained of.

import { type ExecFileException, execFile } from "node:child_process";
import { promisify } from "node:util";

/** Resolves to what it printed. With `batch`, of its lines, which are commands with these options; those that fail print nothing. */
export type RunIp = (options: readonly string[], batch?: readonly string[]) => Promise<string>;

const execute = promisify(execFile);
const TIMEOUT_MS = 10_000;
const LARGEST_OUTPUT = 64 * 1024 * 1024;

/** How it ends when a line of a batch has failed. */
const SOME_FAILED = 1;

export const runIp: RunIp = async (options, batch) => {
  const args = batch === undefined ? options : [...options, "-force", "-batch", "-"];
  try {
    const running = execute("ip", [...args], { timeout: TIMEOUT_MS, maxBuffer: LARGEST_OUTPUT });
    // One that ends before it has read all says why by its exit.
    running.child.stdin?.on("error", () => undefined).end(batch?.map((line) => `${line}\n`).join(""));
    return (await running).stdout;
  } catch (error) {
    const { code, stdout, stderr, message } = error as ExecFileException;
    if (batch !== undefined && code === SOME_FAILED) return `${stdout ?? ""}`;
    throw new Error(`ip ${args.join(" ")}: ${`${stderr ?? ""}`.trim() || message}`);
  }
};
