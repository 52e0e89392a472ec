// SPDX-License-Identifier: Apache-2.0
// What is to be known of the entries that programs make to tell which are new, and which say nothing any more.

/** `FRAGMENT_SECONDS` in bpf/lib/fragment.h. */
export const FRAGMENT_SECONDS = 60;

/** Of `seen` in the values of these maps; those of `socket_flows` have no time. */
export const SEEN_OFFSETS = { fragments: 8, affinities: 4, flows: 44 } as const;

/** As the programs read it, or a second later. */
export const monotonicSeconds = (): number => Number(process.hrtime.bigint() / 1_000_000_000n);

/** Whether more fragments of the packet may come, at this second of the monotonic clock. An entry may be newer than `now`. */
export const isAwaited = (fragment: Buffer, now: number): boolean =>
  ((now - fragment.readUInt32LE(SEEN_OFFSETS.fragments)) | 0) <= FRAGMENT_SECONDS;

/** Whether an entry may have been made at this second of the monotonic clock, or later. */
export function isSince(map: keyof typeof SEEN_OFFSETS | "socket_flows", value: Buffer, second: number): boolean {
  if (map === "socket_flows") return true;
  // The programs' clock is coarse.
  return ((value.readUInt32LE(SEEN_OFFSETS[map]) - second) | 0) >= -2;
}
