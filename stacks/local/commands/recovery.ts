// SPDX-License-Identifier: Apache-2.0
// Makes a stack usable again after an update that was interrupted: stale locks and operations that never finished.

import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { run } from "../host/exec.ts";
import { clone, repository } from "../host/paths.ts";
import { say } from "../host/progress.ts";
import { mendReleases } from "./release-recovery.ts";
import { pulumiEnvironment, stackName } from "./workspace.ts";

/** The kernel tells start times in hundredths of a second, on every architecture. */
const ticksPerSecond = 100;
/** Boot time is known to the second, and the clock may have been set meanwhile. */
const clockSlackMs = 5_000;

interface Lock {
  readonly pid: number;
  readonly username: string;
  readonly hostname: string;
  readonly timestamp: string;
}

export interface PendingOperation {
  readonly type: string;
  readonly resource: {
    readonly urn: string;
    readonly type?: string;
    readonly inputs?: Readonly<Record<string, unknown>>;
  };
}

interface Deployment {
  readonly deployment?: { readonly pending_operations?: readonly PendingOperation[] };
}

/** A process as the lock's holder can be known again by. */
export interface Holder {
  readonly program: string;
  readonly startedMs: number;
}

/** Clears what an interrupted update left, so that the stack can be brought up; an update that still runs is an error. */
export async function recoverStack(): Promise<void> {
  await releaseStaleLock();
  await clearPendingOperations(mendReleases);
}

/** The same before everything is removed, what lies in the cluster included. */
export async function recoverStackForRemoval(): Promise<void> {
  await releaseStaleLock();
  await clearPendingOperations(async () => []);
}

/** Releases the lock of a process that is no more; refuses to touch that of a living one. */
export async function releaseStaleLock(): Promise<void> {
  const locks = await readLocks();
  if (locks.length === 0) return;
  for (const lock of locks) {
    if (isHeld(lock, hostname(), await processOf(lock.pid))) {
      throw new Error(
        `Another update of stack ${stackName} is running (process ${lock.pid} on ${lock.hostname}, since ` +
          `${lock.timestamp}): wait for it to end, or end it with Ctrl-C in its own terminal.`,
      );
    }
  }
  say("• an earlier update was interrupted: its lock is released");
  await pulumi(["cancel", "--yes", "--stack", stackName]);
}

/**
 * A lock counts while its process lives: a Pulumi that was there when the lock was made, and not another program that
 * got the same id later, as after a restart. A lock of another box cannot be judged from here, so it counts.
 */
export function isHeld(lock: Lock, here: string, holder: Holder | undefined): boolean {
  if (lock.hostname !== here) return true;
  if (holder === undefined || holder.program !== "pulumi") return false;
  const madeMs = Date.parse(lock.timestamp);
  return Number.isNaN(madeMs) || holder.startedMs <= madeMs + clockSlackMs;
}

/** The process with that id, as /proc tells of it. */
export async function processOf(pid: number): Promise<Holder | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  const boot = /^btime (\d+)$/m.exec(await readFile("/proc/stat", "utf8"))?.[1];
  if (text === "" || boot === undefined) return undefined;
  const [from, to] = [text.indexOf("(") + 1, text.lastIndexOf(")")];
  const ticks = Number(text.slice(to + 2).split(" ")[19]);
  return { program: text.slice(from, to), startedMs: Number(boot) * 1000 + (ticks / ticksPerSecond) * 1000 };
}

/**
 * Drops the operations that an interrupted update had begun. Every resource of this stack is created idempotently (a
 * half-made machine is completed, kubeadm's steps look before they act) or is mended before, as helm's releases are, so
 * beginning again is the way to go on.
 */
async function clearPendingOperations(
  mend: (operations: readonly PendingOperation[]) => Promise<PendingOperation[]>,
): Promise<void> {
  const text = await pulumi(["stack", "export", "--stack", stackName]);
  const { pending, operations } = withoutPending(text);
  if (pending.length === 0) return;
  say(`• an earlier update was interrupted during: ${pending.join(", ")}; these steps begin again`);
  const left = new Set((await mend(operations)).map(({ resource }) => resource.urn));
  if (left.size < operations.length) {
    await pulumi(["stack", "import", "--stack", stackName], withoutPending(text, left).rest);
  }
}

interface Interrupted {
  /** What the operations were about. */
  readonly pending: string[];
  readonly operations: PendingOperation[];
  /** The exported stack without them. */
  readonly rest: string;
}

/** Takes the pending operations out of an exported stack; those whose URNs are to stay, stay. */
export function withoutPending(text: string, staying: ReadonlySet<string> = new Set()): Interrupted {
  const exported = JSON.parse(text) as Deployment;
  const operations = [...(exported.deployment?.pending_operations ?? [])];
  const pending = operations.map(({ type, resource }) => `${type} ${resource.urn.split("::").at(-1)}`);
  const { pending_operations: _, ...deployment } = exported.deployment ?? {};
  const kept = operations.filter(({ resource }) => staying.has(resource.urn));
  const rest = { ...deployment, ...(kept.length === 0 ? {} : { pending_operations: kept }) };
  return { pending, operations, rest: JSON.stringify({ ...exported, deployment: rest }) };
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
