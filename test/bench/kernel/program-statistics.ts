// SPDX-License-Identifier: Apache-2.0
// How long the kernel says that pinned programs took for each run, while they served real traffic.
import { join } from "node:path";
import { close, objectInfo, openPinned } from "../../../agent/shell/kernel/syscall.ts";
import { enableRunStatistics } from "./bpf-call.ts";

/** `struct bpf_prog_info` up to the fields we read. */
const PROGRAM_INFO_BYTES = 224;
const RUN_TIME_AT = 192;
const RUN_COUNT_AT = 200;

interface Runs {
  readonly ns: bigint;
  readonly count: bigint;
}

function runsOf(name: string, fd: number): Runs {
  const info = objectInfo(`program ${name}`, fd, PROGRAM_INFO_BYTES);
  return { ns: info.readBigUInt64LE(RUN_TIME_AT), count: info.readBigUInt64LE(RUN_COUNT_AT) };
}

/**
 * Mean nanoseconds of each named program over the runs that `traffic` caused; without those that did not run. The
 * statistics themselves cost every run some 20 ns, so nothing else should be timed meanwhile.
 */
export async function meanRunNs(
  bpfRoot: string,
  names: readonly string[],
  traffic: () => Promise<void>,
): Promise<ReadonlyMap<string, number>> {
  const programs = new Map<string, number>();
  for (const name of names) {
    const fd = openPinned(join(bpfRoot, "sansproxy", "programs", name));
    if (fd === undefined) throw new Error(`there is no pinned program ${name}: is the agent ready?`);
    programs.set(name, fd);
  }
  const statistics = enableRunStatistics();
  try {
    const before = new Map([...programs].map(([name, fd]) => [name, runsOf(name, fd)]));
    await traffic();
    const means = new Map<string, number>();
    for (const [name, fd] of programs) {
      const [then, now] = [before.get(name), runsOf(name, fd)];
      if (then === undefined || now.count === then.count) continue;
      means.set(name, Number(now.ns - then.ns) / Number(now.count - then.count));
    }
    return means;
  } finally {
    close(statistics);
    for (const fd of programs.values()) close(fd);
  }
}
