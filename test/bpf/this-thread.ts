// SPDX-License-Identifier: Apache-2.0
// The CPUs that this thread may run on, and holding it to one of them.
import { execFileSync } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";

/** As the kernel writes them: `0-1,4`. */
function allowed(): string {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync("/proc/thread-self/status", "utf8"))?.[1];
  if (list === undefined) throw new Error("the kernel does not say on which CPUs this thread may run");
  return list;
}

function runOn(cpus: string): void {
  const [, , id] = readlinkSync("/proc/thread-self").split("/");
  if (id === undefined) throw new Error("this thread has no number");
  execFileSync("taskset", ["--cpu-list", "--pid", cpus, id]);
}

/** Calls it on each CPU in turn, so many times over; `turn` counts up from 0. */
export function onEachCpu(rounds: number, call: (turn: number) => void): void {
  const before = allowed();
  const cpus = before.split(",").flatMap((range) => {
    const [first, last = first] = range.split("-").map(Number) as [number, number?];
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
  try {
    for (let turn = 0; turn < rounds * cpus.length; turn++) {
      runOn(String(cpus[turn % cpus.length]));
      call(turn);
    }
  } finally {
    runOn(before);
  }
}
