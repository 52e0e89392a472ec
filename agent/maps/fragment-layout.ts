// SPDX-License-Identifier: Apache-2.0
// What is to be known of an entry of `fragments` to tell whether it still says anything.

/** `FRAGMENT_SECONDS` in bpf/lib/fragment.h. */
export const FRAGMENT_SECONDS = 60;
/** Of `seen` in `struct fragment`. */
const SEEN_OFFSET = 8;

/** Whether more fragments of the packet may come, at this second of the monotonic clock. An entry may be newer than `now`. */
export const isAwaited = (fragment: Buffer, now: number): boolean =>
  ((now - fragment.readUInt32LE(SEEN_OFFSET)) | 0) <= FRAGMENT_SECONDS;
