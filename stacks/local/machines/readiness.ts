// SPDX-License-Identifier: Apache-2.0
// Waits until a machine can be used: its sshd shows the expected host key and its systemd has finished booting.

import { readFile } from "node:fs/promises";
import { runAnyway } from "../host/exec.ts";
import { until } from "../host/progress.ts";
import { isAlive, machineInit, type ProcessIdentity } from "./nspawn.ts";

export interface Booting {
  readonly identity: ProcessIdentity;
  readonly name: string;
  readonly address: string;
  readonly hostKey: string;
  readonly consoleLog: string;
}

const bootTimeoutMs = 180_000;

/** Returns when the machine is up; fails at once when its process ends, with the end of its console. */
export async function waitUntilReachable(machine: Booting, note: (text: string) => void): Promise<void> {
  try {
    await until(`sshd of machine ${machine.name} shows its host key`, bootTimeoutMs, async () => {
      note("waiting for sshd");
      await requireAlive(machine);
      return (await hostKeyAt(machine.address)) === machine.hostKey ? true : undefined;
    });
    await until(`systemd of machine ${machine.name} finishes booting`, bootTimeoutMs, async () => {
      await requireAlive(machine);
      const state = await systemState(machine.identity);
      note(`systemd is ${state}`);
      return state === "running" || state === "degraded" ? true : undefined;
    });
  } catch (error) {
    const console = await readFile(machine.consoleLog, "utf8").catch(() => "");
    const end = console.trim().split("\n").slice(-15).join("\n");
    throw new Error(`${(error as Error).message} Its console (${machine.consoleLog}) ends with:\n${end}`);
  }
}

async function requireAlive(machine: Booting): Promise<void> {
  if (!(await isAlive(machine.identity))) throw new Error(`Machine ${machine.name} ended while it was booting.`);
}

/** The ed25519 host key that the SSH server at an address shows, if one answers. */
async function hostKeyAt(address: string): Promise<string | undefined> {
  const { stdout } = await runAnyway("ssh-keyscan", ["-T", "2", "-t", "ed25519", address]);
  const line = stdout.split("\n").find((text) => text !== "" && !text.startsWith("#"));
  return line?.split(" ").slice(1, 3).join(" ");
}

async function systemState(identity: ProcessIdentity): Promise<string> {
  const init = await machineInit(identity);
  if (init === undefined) return "not started";
  const inside = ["--target", String(init), "--mount", "--uts", "--ipc", "--net", "--pid"];
  const { stdout } = await runAnyway("nsenter", [...inside, "systemctl", "is-system-running"]);
  return stdout.trim() || "not answering";
}
