// SPDX-License-Identifier: Apache-2.0
// Damages a frame the ways that a network, a broken sender or an attacker would.
import type { Random } from "./random.ts";

/** What the kernel's test run asks for at least, and a little more than a frame of 1500 bytes. */
const SHORTEST = 15;
const LONGEST = 1600;

const interesting = [0, 1, 2, 4, 5, 6, 8, 11, 15, 17, 20, 40, 44, 58, 60, 64, 127, 128, 132, 255];
const ETHERNET = 14;

/** Where headers lie whose bytes decide: Ethernet's type, the IP header, and the transport's first words, IPv6's too. */
function decisiveOffset(random: Random, length: number): number {
  return Math.min(length - 1, 12 + random.below(76));
}

const mutations: readonly ((frame: Buffer, random: Random) => Buffer)[] = [
  (frame, random) => {
    const at = decisiveOffset(random, frame.length);
    frame.writeUInt8(frame.readUInt8(at) ^ (1 << random.below(8)), at);
    return frame;
  },
  (frame, random) => {
    frame.writeUInt8(random.below(256), decisiveOffset(random, frame.length));
    return frame;
  },
  (frame, random) => {
    frame.writeUInt8(random.pick(interesting), decisiveOffset(random, frame.length));
    return frame;
  },
  (frame, random) => {
    frame.writeUInt8(random.below(256), random.below(frame.length));
    return frame;
  },
  (frame, random) => frame.subarray(0, Math.max(SHORTEST, random.below(frame.length + 1))),
  (frame, random) => Buffer.concat([frame, Buffer.alloc(random.below(64), random.below(256))]).subarray(0, LONGEST),
  (frame, random) => {
    // Another length, of the header or of the packet.
    frame.writeUInt8(0x40 | random.below(16), ETHERNET);
    return frame;
  },
  (frame, random) => {
    if (frame.length >= ETHERNET + 4) frame.writeUInt16BE(random.below(0x10000), ETHERNET + 2);
    return frame;
  },
  (frame, random) => {
    if (frame.length >= ETHERNET + 8) frame.writeUInt16BE(random.below(0x10000), ETHERNET + 6);
    return frame;
  },
];

/** The kernel's test run refuses a frame that ends inside the IP header its Ethernet type promises. */
function withWholeHeader(frame: Buffer): Buffer {
  const type = frame.readUInt16BE(12);
  const least = type === 0x0800 ? ETHERNET + 20 : type === 0x86dd ? ETHERNET + 40 : SHORTEST;
  return frame.length >= least ? frame : Buffer.concat([frame, Buffer.alloc(least - frame.length)]);
}

/** A damaged copy of a frame: as it is once in eight times, else damaged one to four times. */
export function mutate(frame: Buffer, random: Random): Buffer {
  let damaged: Buffer = Buffer.from(frame);
  const times = random.below(8) === 0 ? 0 : 1 + random.below(4);
  for (let time = 0; time < times; time++) damaged = random.pick(mutations)(damaged, random);
  return withWholeHeader(damaged);
}
