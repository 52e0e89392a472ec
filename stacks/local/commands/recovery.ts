// SPDX-License-Identifier: Apache-2.0
// Makes a stack usable again after an update that was interrupted: stale locks and operations that never finished.

import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { run } from "../host/exec.ts";
import { clone, repository } from "../host/paths.ts";
import { say } from "../host/progress.ts";
import { pulumiEnvironment, stackName } from "./workspace.ts";

interface Lock {
  readonly pid: number;
  readonly username: string;
  readonly hostname: string;
  readonly timestamp: string;
}

interface Deployment {
  readonly deployment?: {
    readonly pending_operations?: readonly { readonly type: string; readonly resource: { readonly urn: string } }[];
  };
}

/** Clears what an interrupted update left; an update that still runs is an error. */
export async function recoverStack(): Promise<void> {
  await releaseStaleLock();
  await clearPendingOperations();
}

/** Releases the lock of a process that is no more; refuses to touch that of a living one. */
export async function releaseStaleLock(): Promise<void> {
  const locks = await readLocks();
  if (locks.length === 0) return;
  for (const lock of locks) {
    if (isHeld(lock, hostname(), (pid) => existsSync(`/proc/${pid}`))) {
      throw new Error(
        `Another update of stack ${stackName} is running (process ${lock.pid} on ${lock.hostname}, since ` +
          `${lock.timestamp}): wait for it to end, or end it with Ctrl-C in its own terminal.`,
      );
    }
  }
  say("• an earlier update was interrupted: its lock is released");
  await pulumi(["cancel", "--yes", "--stack", stackName]);
}

/** A lock counts while its process lives; one of another box cannot be judged from here, so it counts. */
export function isHeld(lock: Lock, here: string, alive: (pid: number) => boolean): boolean {
  return lock.hostname !== here || alive(lock.pid);
}

/**
 * Drops the operations that an interrupted update had begun. Every resource of this stack is created idempotently (a
 * half-made machine is completed, kubeadm's steps look before they act), so beginning again is the way to go on.
 */
export async function clearPendingOperations(): Promise<void> {
  const text = await pulumi(["stack", "export", "--stack", stackName]);
  const { pending, rest } = withoutPending(text);
  if (pending.length === 0) return;
  say(`• an earlier update was interrupted during: ${pending.join(", ")}; these steps begin again`);
  await pulumi(["stack", "import", "--stack", stackName], rest);
}

/** An exported stack without its pending operations, and the names of what they were about. */
export function withoutPending(text: string): { pending: string[]; rest: string } {
  const exported = JSON.parse(text) as Deployment;
  const operations = exported.deployment?.pending_operations ?? [];
  const pending = operations.map(({ type, resource }) => `${type} ${resource.urn.split("::").at(-1)}`);
  const { pending_operations: _, ...deployment } = exported.deployment ?? {};
  return { pending, rest: JSON.stringify({ ...exported, deployment }) };
}

async function readLocks(): Promise<Lock[]> {
  const folder = join(clone.state, ".pulumi/locks/organization/sansproxy", stackName);
  if (!existsSync(folder)) return [];
  const locks: Lock[] = [];
  for (const name of await readdir(folder)) {
    if (name.endsWith(".json")) locks.push(JSON.parse(await readFile(join(folder, name), "utf8")) as Lock);
  }
  return locks;
}

async function pulumi(args: readonly string[], input?: string): Promise<string> {
  const options = { cwd: repository, env: pulumiEnvironment(), ...(input === undefined ? {} : { input }) };
  return await run(join(clone.bin, "pulumi"), args, options);
}
