// SPDX-License-Identifier: Apache-2.0
// Runs iproute2's `ip`, in this process's network namespace, and says what it complained of.

import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** Resolves to what it printed. */
export type RunIp = (args: readonly string[]) => Promise<string>;

const execute = promisify(execFile);
const TIMEOUT_MS = 10_000;
const LARGEST_OUTPUT = 64 * 1024 * 1024;

export const runIp: RunIp = async (args) => {
  try {
    const { stdout } = await execute("ip", [...args], { timeout: TIMEOUT_MS, maxBuffer: LARGEST_OUTPUT });
    return stdout;
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string };
    throw new Error(`ip ${args.join(" ")}: ${stderr?.trim() || message}`);
  }
};
