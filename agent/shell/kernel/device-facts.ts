// SPDX-License-Identifier: Apache-2.0
// What a network device says of itself: its index, its Ethernet address and its driver, as this thread's namespace has it.
import koffi from "koffi";
import { KernelError } from "./kernel-error.ts";
import { close } from "./syscall.ts";

const libc = koffi.load("libc.so.6");
const ifNameToIndex = libc.func("unsigned int if_nametoindex(const char *name)");
const socket = libc.func("int socket(int family, int type, int protocol)");
const ioctl = libc.func("int ioctl(int fd, unsigned long request, void *argument)");

const AF_INET = 2;
const SOCK_DGRAM = 2;
const SIOCGIFHWADDR = 0x8927;
const SIOCETHTOOL = 0x8946;
const ETHTOOL_GDRVINFO = 3;
const DRIVER_INFO_BYTES = 196;
const NAME_BYTES = 16;
const REQUEST_BYTES = 40;

export interface DeviceFacts {
  /** 6 bytes. */
  readonly mac: Buffer;
  /** Empty where the driver does not say. */
  readonly driver: string;
}

/** As this thread's network namespace names it; /sys may show another's. */
export function deviceIndex(device: string): number {
  const index = ifNameToIndex(device) as number;
  if (index === 0) {
    throw new KernelError(`there is no network device ${device} to attach to; set devices to those this node has`);
  }
  return index;
}

export function deviceFacts(device: string): DeviceFacts {
  const fd = Number(socket(AF_INET, SOCK_DGRAM, 0));
  if (fd < 0) throw KernelError.from("opening a socket to ask about network devices", koffi.errno());
  try {
    return { mac: macOf(fd, device), driver: driverOf(fd, device) };
  } finally {
    close(fd);
  }
}

const request = (device: string): Buffer => {
  const bytes = Buffer.alloc(REQUEST_BYTES);
  bytes.write(device, 0, NAME_BYTES - 1, "ascii");
  return bytes;
};

function macOf(fd: number, device: string): Buffer {
  const asked = request(device);
  if (Number(ioctl(fd, SIOCGIFHWADDR, asked)) !== 0)
    throw KernelError.from(`asking for the Ethernet address of ${device}`, koffi.errno());
  return asked.subarray(NAME_BYTES + 2, NAME_BYTES + 8);
}

function driverOf(fd: number, device: string): string {
  const info = Buffer.alloc(DRIVER_INFO_BYTES);
  info.writeUInt32LE(ETHTOOL_GDRVINFO, 0);
  const asked = request(device);
  asked.writeBigUInt64LE(koffi.address(info), NAME_BYTES);
  if (Number(ioctl(fd, SIOCETHTOOL, asked)) !== 0) return "";
  return info.toString("ascii", 4, info.indexOf(0, 4));
}
