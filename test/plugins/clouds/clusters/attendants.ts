// SPDX-License-Identifier: Apache-2.0
// Starts and ends the process that attends to one simulated cluster: it outlives the plugin which started it.
import { spawn } from "node:child_process";
import { existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** True while the process lives and still is the one that serves this folder: a process id may be somebody else's by now. */
const serves = (pid: number, directory: string): boolean => {
  try {
    const [state] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1] ?? "";
    return state !== "Z" && readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes(directory);
  } catch {
    return false;
  }
};

const pidFile = (directory: string): string => join(directory, "attendant.pid");

/** Starts it; with an address it also runs the control plane there. */
export const startAttendant = (directory: string, address = ""): void => {
  const log = openSync(join(directory, "attendant.log"), "a", 0o600);
  const script = join(import.meta.dirname, "attendant.ts");
  const args = ["--disable-warning=ExperimentalWarning", script, directory, address];
  const child = spawn(process.execPath, args, { detached: true, stdio: ["ignore", log, log] });
  writeFileSync(pidFile(directory), String(child.pid));
  child.unref();
};

/** Asks it to end, and waits until it has. */
export const endAttendant = async (directory: string): Promise<void> => {
  if (!existsSync(pidFile(directory))) return;
  const pid = Number(readFileSync(pidFile(directory), "utf8"));
  if (serves(pid, directory)) process.kill(pid, "SIGTERM");
  const deadline = performance.now() + 20_000;
  while (serves(pid, directory)) {
    if (performance.now() > deadline) process.kill(pid, "SIGKILL");
    await delay(50);
  }
};
