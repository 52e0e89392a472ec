// SPDX-License-Identifier: Apache-2.0
// Ends a command on this machine together with everything it started.
import { readFileSync } from "node:fs";

const children = (pid: number): number[] => {
  try {
    const listed = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    return listed === "" ? [] : listed.split(/\s+/).map(Number);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
};

/** A process and its descendants, parents first. */
export const tree = (pid: number): number[] => [pid, ...children(pid).flatMap(tree)];

const signalAll = (pids: readonly number[], signal: NodeJS.Signals): void => {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
};

/** Asks the whole tree to end, and makes it end after `graceMs`; returns what stops the clock once it has ended. */
export const endTree = (pid: number, graceMs: number): (() => void) => {
  const pids = tree(pid);
  signalAll(pids, "SIGTERM");
  const timer = setTimeout(() => signalAll([...new Set([...pids, ...tree(pid)])], "SIGKILL"), graceMs);
  return () => clearTimeout(timer);
};
