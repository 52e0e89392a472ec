// SPDX-License-Identifier: Apache-2.0
// Keeps a thread on one CPU, so that the packets it sends are worked off in their order, and as fast as it sends them.
import koffi from "koffi";

const libc = koffi.load("libc.so.6");
const getCpu = libc.func("int sched_getcpu()");
const getAffinity = libc.func("int sched_getaffinity(int pid, size_t size, void *mask)");
const setAffinity = libc.func("int sched_setaffinity(int pid, size_t size, void *mask)");

const MASK_BYTES = 128;

function checked(what: string, result: number): number {
  if (result < 0) throw new Error(`${what}: errno ${koffi.errno()}`);
  return result;
}

const allow = (mask: Buffer): number => checked("sched_setaffinity", Number(setAffinity(0, mask.length, mask)));

/** Runs a synchronous function on the CPU that this thread is on. */
export function onOneCpu<T>(run: () => T): T {
  const [before, one] = [Buffer.alloc(MASK_BYTES), Buffer.alloc(MASK_BYTES)];
  checked("sched_getaffinity", Number(getAffinity(0, before.length, before)));
  const cpu = checked("sched_getcpu", Number(getCpu()));
  one.writeUInt8(1 << (cpu % 8), cpu >> 3);
  allow(one);
  try {
    return run();
  } finally {
    allow(before);
  }
}
