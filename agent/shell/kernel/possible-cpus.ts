// SPDX-License-Identifier: Apache-2.0
// How many CPUs there can be, and so how many values per CPU a map has.
import { readFileSync } from "node:fs";
import { KernelError } from "./kernel-error.ts";

const POSSIBLE = "/sys/devices/system/cpu/possible";

/** The highest possible CPU and all below it. */
export function possibleCpus(): number {
  const text = readFileSync(POSSIBLE, "utf8").trim();
  const last = Number(/(\d+)$/.exec(text)?.[1]);
  if (Number.isNaN(last)) throw new KernelError(`${POSSIBLE} says "${text}", not a range of CPUs`);
  return last + 1;
}
