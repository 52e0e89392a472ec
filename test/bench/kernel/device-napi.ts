// SPDX-License-Identifier: Apache-2.0
// Lets a veth device receive XDP frames: it does once GRO is on, also with no program of its own (what ethtool would do).
import koffi from "koffi";
import type { Netns } from "../../support/netns.ts";

const libc = koffi.load("libc.so.6");
const socket = libc.func("int socket(int family, int type, int protocol)");
const ioctl = libc.func("int ioctl(int fd, unsigned long request, void *argument)");
const closeFd = libc.func("int close(int fd)");

const AF_INET = 2;
const SOCK_DGRAM = 2;
const SIOCETHTOOL = 0x8946;
const ETHTOOL_SGRO = 0x2c;
const NAME_BYTES = 16;

/** Throws with errno when the device refuses. */
export function receiveFrames(netns: Netns, device: string): void {
  netns.inside(() => {
    const fd = Number(socket(AF_INET, SOCK_DGRAM, 0));
    const value = Buffer.alloc(8);
    value.writeUInt32LE(ETHTOOL_SGRO, 0);
    value.writeUInt32LE(1, 4);
    const request = Buffer.alloc(40);
    request.write(device, 0, NAME_BYTES - 1, "ascii");
    request.writeBigUInt64LE(koffi.address(value), NAME_BYTES);
    const result = Number(ioctl(fd, SIOCETHTOOL, request));
    const errno = koffi.errno();
    closeFd(fd);
    if (result !== 0) throw new Error(`switching GRO on for ${device} of ${netns.name}: errno ${errno}`);
  });
}
