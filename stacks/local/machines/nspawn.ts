// SPDX-License-Identifier: Apache-2.0
// Starts a machine's systemd with systemd-nspawn, in its own cgroups and in a session that outlives this program.

import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync } from "node:fs";
import { readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../host/exec.ts";

/** Where systemd-nspawn keeps locks and folders for running machines. */
const runtime = "/run/systemd/nspawn";

export interface Launch {
  /** Unique on the box: stack and machine. */
  readonly machine: string;
  readonly hostname: string;
  readonly root: string;
  readonly bridge: string;
  /** Folders of the box that lie under the machine's paths (containerd cannot put an overlay on an overlay). */
  readonly binds: readonly (readonly [string, string])[];
  readonly consoleLog: string;
  readonly memoryMb: number;
  readonly cpus?: number;
}

/** A process as this box can know it again: its id and the moment it started. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTicks: string;
}

/** System calls that nspawn blocks by default and that Kubernetes and eBPF need. */
const systemCalls = "@keyring bpf perf_event_open";

/** The command line of systemd-nspawn for one machine. */
export function nspawnArguments(launch: Launch): string[] {
  return [
    "--quiet",
    "--boot",
    "--register=no",
    "--keep-unit",
    "--link-journal=no",
    "--resolv-conf=off",
    "--timezone=off",
    "--console=read-only",
    `--machine=${launch.machine}`,
    `--hostname=${launch.hostname}`,
    `--directory=${launch.root}`,
    `--network-bridge=${launch.bridge}`,
    "--capability=all",
    `--system-call-filter=${systemCalls}`,
    ...launch.binds.map(([from, to]) => `--bind=${from}:${to}`),
  ];
}

/** True when systemd runs this box, so that it owns the cgroups and machines have to be its units. */
export const systemdRunsThisBox = (): boolean => existsSync("/run/systemd/system");

/** Name of the transient unit that holds a machine on a box run by systemd. */
export const unitOf = (machine: string): string => `sansproxy-${machine}.service`;

/** Starts the machine as a child of nobody, its processes in the given cgroup folders. */
export async function launchInCgroups(launch: Launch, cgroups: readonly string[]): Promise<ProcessIdentity> {
  // The shell enters the cgroups and becomes nspawn: no moment exists in which a machine runs outside them.
  const script = 'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit 1; shift; done; shift; exec "$@"';
  const log = openSync(launch.consoleLog, "w", 0o600);
  try {
    const child = spawn(
      "/bin/sh",
      ["-c", script, "sansproxy-machine", ...cgroups, "--", "systemd-nspawn", ...nspawnArguments(launch)],
      { detached: true, stdio: ["ignore", log, log], env: nspawnEnvironment() },
    );
    const pid = await new Promise<number>((done, fail) => {
      child.once("error", fail);
      child.once("spawn", () => done(child.pid as number));
    });
    child.unref();
    return { pid, startTicks: await startTicks(pid) };
  } finally {
    closeSync(log);
  }
}

/** Starts the machine as a transient unit with delegated cgroups: the way of a box that systemd runs. */
export async function launchAsUnit(launch: Launch): Promise<ProcessIdentity> {
  const unit = unitOf(launch.machine);
  await run("systemd-run", [
    "--quiet",
    "--collect",
    `--unit=${unit}`,
    "--property=Delegate=yes",
    "--property=KillMode=mixed",
    "--property=TasksMax=infinity",
    ...unitLimits(launch).map((limit) => `--property=${limit}`),
    `--property=StandardOutput=truncate:${launch.consoleLog}`,
    `--property=StandardError=truncate:${launch.consoleLog}`,
    "--setenv=SYSTEMD_NSPAWN_API_VFS_WRITABLE=1",
    "--",
    "systemd-nspawn",
    ...nspawnArguments(launch),
  ]);
  const pid = Number(await run("systemctl", ["show", "--value", "--property=MainPID", unit]));
  return { pid, startTicks: await startTicks(pid) };
}

/** Limits as properties of a unit. */
export function unitLimits(limits: { readonly memoryMb: number; readonly cpus?: number }): string[] {
  return [`MemoryMax=${limits.memoryMb}M`, `CPUQuota=${limits.cpus === undefined ? "" : `${limits.cpus * 100}%`}`];
}

/** True while the process with this id is still the one that was started. */
export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  return (await startTicks(identity.pid)) === identity.startTicks;
}

/** The machine's own init: the child of nspawn's child, seen from the box. */
export async function machineInit(identity: ProcessIdentity): Promise<number | undefined> {
  const text = await readFile(`/proc/${identity.pid}/task/${identity.pid}/children`, "utf8").catch(() => "");
  const pid = Number(text.trim().split(/\s+/)[0]);
  return Number.isInteger(pid) && pid > 0 ? pid : undefined;
}

function nspawnEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, SYSTEMD_NSPAWN_API_VFS_WRITABLE: "1", SYSTEMD_LOG_LEVEL: "info" };
}

/** The moment a process started, in clock ticks since boot; empty when there is no such process (or a zombie). */
async function startTicks(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return text === "" || fields[0] === "Z" ? "" : (fields[19] ?? "");
}

/** Removes what nspawn keeps of a machine that was killed: its propagation folder, and the lock of its root's inode. */
export async function removeTraces(machine: string, root: string): Promise<void> {
  await rm(join(runtime, "propagate", machine), { recursive: true, force: true });
  if (!existsSync(root)) return;
  const { dev, ino } = await stat(root);
  await rm(join(runtime, "locks", `inode-${dev}:${ino}`), { force: true });
}
