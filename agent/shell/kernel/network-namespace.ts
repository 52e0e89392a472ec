// SPDX-License-Identifier: Apache-2.0
// Names this thread's network namespace as the programs do: by its cookie.
import koffi from "koffi";
import { KernelError } from "./kernel-error.ts";
import { close } from "./syscall.ts";

const libc = koffi.load("libc.so.6");
const socket = libc.func("int socket(int domain, int type, int protocol)");
const getsockopt = libc.func("int getsockopt(int fd, int level, int name, void *value, _Inout_ unsigned int *length)");

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOL_SOCKET = 1;
const SO_NETNS_COOKIE = 71;

/** Throws `KernelError` where the kernel cannot tell; every one that has tcx can. */
export function networkNamespaceCookie(): bigint {
  const fd = Number(socket(AF_UNIX, SOCK_DGRAM, 0));
  if (fd < 0) throw KernelError.from("opening a socket to learn the network namespace's cookie", koffi.errno());
  try {
    const value = Buffer.alloc(8);
    if (Number(getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, value, [value.length])) !== 0)
      throw KernelError.from("asking for the network namespace's cookie", koffi.errno());
    return value.readBigUInt64LE();
  } finally {
    close(fd);
  }
}
