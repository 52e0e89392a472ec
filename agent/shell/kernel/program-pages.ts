// SPDX-License-Identifier: Apache-2.0
// Lets go of the pages of program files that only starting needed: the kernel brings back those that are used again.
import { readFileSync } from "node:fs";
import koffi from "koffi";

const libc = koffi.load("libc.so.6");
const madvise = libc.func("int madvise(uintptr_t address, size_t bytes, int advice)");

const DONT_NEED = 4;
const FIRST_LINE = /^([0-9a-f]+)-([0-9a-f]+) r-[x-]p \S+ \S+ [1-9]\d* +\//;

interface Range {
  readonly address: bigint;
  readonly bytes: number;
}

/**
 * What of /proc/PID/smaps comes from files, cannot be written, and has no page of the process's own: its contents are those
 * of the file. (What the dynamic linker has relocated has pages of its own, and would be lost.)
 */
export function unchangedFileRanges(smaps: string): Range[] {
  const ranges: Range[] = [];
  let current: Range | undefined;
  for (const line of smaps.split("\n")) {
    if (/^[0-9a-f]+-/.test(line)) {
      const [, from, to] = FIRST_LINE.exec(line) ?? [];
      const address = BigInt(`0x${from ?? 0}`);
      current = from && to ? { address, bytes: Number(BigInt(`0x${to}`) - address) } : undefined;
    } else if (current && line.startsWith("Anonymous:")) {
      if (/ 0 kB$/.test(line)) ranges.push(current);
      current = undefined;
    }
  }
  return ranges;
}

/** What stays in the kernel's page cache costs a page fault, and no reading, when it is needed after all. */
export function releaseProgramPages(): void {
  for (const { address, bytes } of unchangedFileRanges(readFileSync("/proc/self/smaps", "utf8")))
    madvise(address, bytes, DONT_NEED);
}
