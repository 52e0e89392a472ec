// SPDX-License-Identifier: Apache-2.0
// Removes what a verification made: its own namespace, and those that earlier runs had to leave behind.
import { readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { CHECK } from "./checks.ts";
import type { Cluster } from "./cluster.ts";
import { isLeftover, type Owner } from "./leftovers.ts";
import { RUN_LABEL } from "./objects.ts";
import type { Progress } from "./progress.ts";
import { type Check, WHOLE_CLUSTER } from "./report.ts";

const POLL_MS = 500;

const isProcessAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
};

/** This process, named so that a later run on the same machine and in the same process namespace can look for it. */
export const thisProcess = (): Owner => {
  let space = "";
  try {
    space = readlinkSync("/proc/self/ns/pid");
  } catch {
    // Not Linux: one space of process numbers per machine.
  }
  return { machine: `${hostname()}${space}`, pid: process.pid };
};

export interface CleanupOptions {
  /** The namespace of this run. */
  readonly namespace: string;
  readonly owner: Owner;
  readonly timeoutMs: number;
  readonly progress: Progress;
}

/** Deletes and waits until all is gone. The check fails, naming what is left, when that does not happen in time. */
export const cleanUp = async (cluster: Cluster, options: CleanupOptions): Promise<Check> => {
  const started = performance.now();
  const check = (passed: boolean, observed: string): Check => ({
    name: CHECK.cleanedUp,
    node: WHOLE_CLUSTER,
    passed,
    observed,
    durationMs: Math.round(performance.now() - started),
  });
  const remedy = `remove it with: kubectl delete namespace -l ${RUN_LABEL}`;
  let failure = "";
  let removed = 0;
  const deleted = new Set<string>();
  while (performance.now() - started < options.timeoutMs) {
    try {
      const ours = (await cluster.namespaces(`${RUN_LABEL}=true`)).filter(
        (namespace) =>
          namespace.metadata?.name === options.namespace ||
          isLeftover(namespace, options.owner, new Date(), isProcessAlive),
      );
      if (ours.length === 0) return check(true, `${removed} ${removed === 1 ? "namespace" : "namespaces"} removed`);
      const names = ours.flatMap(({ metadata }) => (metadata?.name === undefined ? [] : [metadata.name]));
      for (const name of names.filter((candidate) => !deleted.has(candidate))) {
        await cluster.deleteNamespace(name);
        deleted.add(name);
        removed += 1;
      }
      failure = `namespace ${names.join(", ")} is still being deleted`;
      options.progress(`cleaning up: waiting until namespace ${names.join(", ")} is gone`);
    } catch (error) {
      failure = (error as Error).message;
    }
    await pause(POLL_MS);
  }
  return check(false, `not done within ${Math.round(options.timeoutMs / 1000)} s: ${failure}; ${remedy}`);
};
