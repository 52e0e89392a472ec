// SPDX-License-Identifier: Apache-2.0
// On which CPU this thread runs: so do the programs that it tests, and packets that it sends are worked off in their order there.
import koffi from "koffi";

const libc = koffi.load("libc.so.6");
const getCpu = libc.func("int sched_getcpu()");
const getAffinity = libc.func("int sched_getaffinity(int thread, size_t bytes, _Out_ void *cpus)");
const setAffinity = libc.func("int sched_setaffinity(int thread, size_t bytes, const void *cpus)");
const CPU_SET_BYTES = 128;

function checked(what: string, result: number): number {
  if (result < 0) throw new Error(`${what}: errno ${koffi.errno()}`);
  return result;
}

/** The CPUs that it may run on. */
export function allowedCpus(): number[] {
  const set = Buffer.alloc(CPU_SET_BYTES);
  checked("sched_getaffinity", getAffinity(0, set.length, set));
  const isIn = (cpu: number) => (set.readUInt8(cpu >> 3) >> (cpu & 7)) & 1;
  return Array.from({ length: 8 * CPU_SET_BYTES }, (_, cpu) => cpu).filter(isIn);
}

/** Holds it to these from now on. */
export function runOn(...cpus: readonly number[]): void {
  const set = Buffer.alloc(CPU_SET_BYTES);
  for (const cpu of cpus) set.writeUInt8(set.readUInt8(cpu >> 3) | (1 << (cpu & 7)), cpu >> 3);
  checked(`sched_setaffinity to CPU ${cpus.join(", ")}`, setAffinity(0, set.length, set));
}

/** Runs a synchronous function on the CPU that it is on, as fast as it can there. */
export function onOneCpu<T>(run: () => T): T {
  const before = allowedCpus();
  runOn(checked("sched_getcpu", getCpu()));
  try {
    return run();
  } finally {
    runOn(...before);
  }
}
