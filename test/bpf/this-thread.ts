// SPDX-License-Identifier: Apache-2.0
// On which CPU this thread runs: programs that it tests run there, and so do its calls of the kernel.
import koffi from "koffi";

const libc = koffi.load("libc.so.6");
const getAffinity = libc.func("int sched_getaffinity(int thread, size_t bytes, _Out_ void *cpus)");
const setAffinity = libc.func("int sched_setaffinity(int thread, size_t bytes, const void *cpus)");
const CPU_SET_BYTES = 128;

/** The CPUs that it may run on. */
export function allowedCpus(): number[] {
  const set = Buffer.alloc(CPU_SET_BYTES);
  if (getAffinity(0, set.length, set) < 0) throw new Error("the kernel does not say where this thread may run");
  return Array.from({ length: 8 * CPU_SET_BYTES }, (_, cpu) => cpu).filter(
    (cpu) => (set.readUInt8(cpu >> 3) >> (cpu & 7)) & 1,
  );
}

/** Holds it to these from now on. */
export function runOn(...cpus: readonly number[]): void {
  const set = Buffer.alloc(CPU_SET_BYTES);
  for (const cpu of cpus) set.writeUInt8(set.readUInt8(cpu >> 3) | (1 << (cpu & 7)), cpu >> 3);
  if (setAffinity(0, set.length, set) !== 0) throw new Error(`this thread may not run on CPU ${cpus.join(", ")}`);
}
