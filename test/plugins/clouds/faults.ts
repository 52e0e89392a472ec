// SPDX-License-Identifier: Apache-2.0
// Makes calls of a simulated cloud fail on demand: each fault is a file that the first call it fits takes away.
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Account } from "./account.ts";

export interface Fault {
  readonly call: "create" | "read" | "update" | "delete";
  /** The Pulumi type it strikes. */
  readonly type: string;
  /** Strikes only resources whose name contains this. */
  readonly name?: string;
  readonly error: string;
  /** `throttle`: the call was one too many, and the provider asks again. */
  readonly kind: "error" | "throttle";
}

/** The account refused a call because there were too many. */
export class Throttled extends Error {}

/** Arms a fault; `times` calls are struck. */
export const arm = (account: Account, fault: Fault, times = 1): void => {
  for (let count = 0; count < times; count += 1) {
    writeFileSync(join(account.directory, "faults", `${randomBytes(6).toString("hex")}.json`), JSON.stringify(fault));
  }
};

/** Faults that no call has met yet. */
export const armed = (account: Account): number => readdirSync(join(account.directory, "faults")).length;

/** Takes one fault for this process alone, or finds that another process was faster. */
const take = (file: string): boolean => {
  const taken = join(file, "..", "..", `.taken-${randomBytes(6).toString("hex")}`);
  try {
    renameSync(file, taken);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
  rmSync(taken);
  return true;
};

/** Fails if a fault is armed for this call. */
export const strike = (account: Account, call: Fault["call"], type: string, name: string): void => {
  const folder = join(account.directory, "faults");
  for (const entry of readdirSync(folder)) {
    const file = join(folder, entry);
    let fault: Fault;
    try {
      fault = JSON.parse(readFileSync(file, "utf8")) as Fault;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") continue;
      throw error;
    }
    if (fault.call !== call || fault.type !== type || !name.includes(fault.name ?? "") || !take(file)) continue;
    throw fault.kind === "throttle" ? new Throttled(fault.error) : new Error(fault.error);
  }
};
