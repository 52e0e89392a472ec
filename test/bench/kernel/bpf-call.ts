// SPDX-License-Identifier: Apache-2.0
// The commands of bpf(2) that only a benchmark needs: running a program many times, and the kernel's own statistics.
import koffi from "koffi";
import { KernelError } from "../../../agent/shell/kernel/kernel-error.ts";

const libc = koffi.load("libc.so.6");
const syscall = libc.func("long syscall(long number, int command, void *attributes, unsigned int size)");

const BPF_NUMBER = process.arch === "x64" ? 321 : 280;
const ATTRIBUTE_BYTES = 144;
const PROGRAM_TEST_RUN = 10;
const ENABLE_STATS = 32;
const STATS_RUN_TIME = 0;

function bpf(what: string, command: number, attributes: Buffer): number {
  const result = Number(syscall(BPF_NUMBER, command, attributes, attributes.length));
  if (result < 0) throw KernelError.from(what, koffi.errno());
  return result;
}

export interface Runs {
  readonly program: number;
  readonly packet: Buffer;
  /** `struct __sk_buff` or `struct xdp_md`; empty for none. */
  readonly context?: Buffer;
  readonly repeat: number;
  readonly flags?: number;
  /** Frames at a time, when the frames are live. */
  readonly batch?: number;
}

const EINTR = 4;
const MOST_INTERRUPTIONS = 50;

/** Measures again from the start when a signal to this thread, or work of the kernel's for it, ended the runs early. */
export function uninterrupted<T>(measure: () => T): T {
  for (let interruptions = 0; ; interruptions++) {
    try {
      return measure();
    } catch (error) {
      if (!(error instanceof KernelError) || error.errno !== EINTR || interruptions === MOST_INTERRUPTIONS) throw error;
    }
  }
}

/** The mean time of one run in nanoseconds, as the kernel timed it, and the last verdict; see `uninterrupted`. */
export function testRuns({ program, packet, context, repeat, flags = 0, batch = 0 }: Runs): {
  readonly meanNs: number;
  readonly verdict: number;
} {
  const attributes = Buffer.alloc(ATTRIBUTE_BYTES);
  attributes.writeUInt32LE(program, 0);
  attributes.writeUInt32LE(packet.length, 8);
  attributes.writeBigUInt64LE(koffi.address(packet), 16);
  attributes.writeUInt32LE(repeat, 32);
  if (context !== undefined) {
    attributes.writeUInt32LE(context.length, 40);
    attributes.writeBigUInt64LE(koffi.address(context), 48);
  }
  attributes.writeUInt32LE(flags, 64);
  attributes.writeUInt32LE(batch, 72);
  bpf(`running a program ${repeat} times`, PROGRAM_TEST_RUN, attributes);
  return { meanNs: attributes.readUInt32LE(36), verdict: attributes.readInt32LE(4) };
}

/** The kernel counts runs and time of every program until the descriptor is closed; that costs some 20 ns a run. */
export function enableRunStatistics(): number {
  const attributes = Buffer.alloc(ATTRIBUTE_BYTES);
  attributes.writeUInt32LE(STATS_RUN_TIME, 0);
  return bpf("switching the kernel's run statistics on", ENABLE_STATS, attributes);
}
