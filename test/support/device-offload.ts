// SPDX-License-Identifier: Apache-2.0
// Switches offloads of a network device, as `ethtool -K` does.
import koffi from "koffi";
import type { Netns } from "./netns.ts";

const libc = koffi.load("libc.so.6");
const socket = libc.func("int socket(int family, int type, int protocol)");
const ioctl = libc.func("int ioctl(int fd, unsigned long request, void *argument)");
const closeFd = libc.func("int close(int fd)");

const AF_INET = 2;
const SOCK_DGRAM = 2;
const SIOCETHTOOL = 0x8946;
const NAME_BYTES = 16;
/** ETHTOOL_SGRO, ETHTOOL_STXCSUM. */
const commands = { gro: 0x2c, tx: 0x17 };

/** `gro`: received packets are joined; `tx`: checksums of what is sent are left to the device. Throws with errno. */
export function setOffload(netns: Netns, device: string, offload: keyof typeof commands, on: boolean): void {
  netns.inside(() => {
    const fd = Number(socket(AF_INET, SOCK_DGRAM, 0));
    const value = Buffer.alloc(8);
    value.writeUInt32LE(commands[offload], 0);
    value.writeUInt32LE(on ? 1 : 0, 4);
    const request = Buffer.alloc(40);
    request.write(device, 0, NAME_BYTES - 1, "ascii");
    request.writeBigUInt64LE(koffi.address(value), NAME_BYTES);
    const result = Number(ioctl(fd, SIOCETHTOOL, request));
    const errno = koffi.errno();
    closeFd(fd);
    if (result !== 0) throw new Error(`switching ${offload} of ${device} in ${netns.name}: errno ${errno}`);
  });
}

/** Lets a veth device receive XDP frames: it does once GRO is on, also with no program of its own. */
export const receiveFrames = (netns: Netns, device: string): void => setOffload(netns, device, "gro", true);
