// SPDX-License-Identifier: Apache-2.0
// Sockets by system call, so that one thread can hold them in many network namespaces and ask them without waiting.
import koffi from "koffi";

const libc = koffi.load("libc.so.6");
const socketCall = libc.func("int socket(int domain, int type, int protocol)");
const bindCall = libc.func("int bind(int fd, void *address, uint length)");
const connectCall = libc.func("int connect(int fd, void *address, uint length)");
const sendtoCall = libc.func(
  "long sendto(int fd, void *data, size_t length, int flags, void *address, uint addressLength)",
);
const recvfromCall = libc.func(
  "long recvfrom(int fd, void *data, size_t length, int flags, void *address, void *addressLength)",
);
const setsockoptCall = libc.func("int setsockopt(int fd, int level, int name, void *value, uint length)");
const getsockoptCall = libc.func("int getsockopt(int fd, int level, int name, void *value, void *length)");
const closeCall = libc.func("int close(int fd)");

const AF_INET = 2;
const AF_INET6 = 10;
const AF_PACKET = 17;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
const MSG_DONTWAIT = 0x40;
const ETH_P_ALL = 0x0003;
const SOL_SOCKET = 1;
const SO_ERROR = 4;
const SO_RCVBUFFORCE = 33;
const SOL_PACKET = 263;
const PACKET_IGNORE_OUTGOING = 23;
const IP_RECVERR = 11;
const IPV6_RECVERR = 25;

const EAGAIN = 11;
export const ECONNREFUSED = 111;
const EINTR = 4;

const LARGE = 4 << 20;

export type Family = 4 | 6;
export type Protocol = "tcp" | "udp" | "sctp";

function checked(what: string, result: number): number {
  if (result < 0) throw new Error(`${what}: errno ${koffi.errno()}`);
  return result;
}

/** Minus errno when the call failed. */
const outcome = (result: number): number => (result < 0 ? -koffi.errno() : result);

export function socketAddress(address: Buffer, port: number): Buffer {
  const v6 = address.length === 16;
  const bytes = Buffer.alloc(v6 ? 28 : 16);
  bytes.writeUInt16LE(v6 ? AF_INET6 : AF_INET, 0);
  bytes.writeUInt16BE(port, 2);
  address.copy(bytes, v6 ? 8 : 4);
  return bytes;
}

function setOption(fd: number, level: number, name: number, value: number): void {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  checked(`setsockopt ${level}/${name}`, Number(setsockoptCall(fd, level, name, bytes, 4)));
}

/** One socket; the namespace is the one that the thread was in when it was made. */
export class Socket {
  readonly fd: number;
  readonly #buffer = Buffer.alloc(65_536);
  #open = true;

  private constructor(fd: number) {
    this.fd = fd;
  }

  /** Every frame that comes in by a device, and a way to send any. */
  static packets(ifindex: number): Socket {
    const socket = Socket.#make(AF_PACKET, SOCK_RAW, ((ETH_P_ALL & 0xff) << 8) | (ETH_P_ALL >> 8));
    setOption(socket.fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
    setOption(socket.fd, SOL_SOCKET, SO_RCVBUFFORCE, LARGE);
    const address = Buffer.alloc(20);
    address.writeUInt16LE(AF_PACKET, 0);
    address.writeUInt16BE(ETH_P_ALL, 2);
    address.writeInt32LE(ifindex, 4);
    checked("bind of a packet socket", Number(bindCall(socket.fd, address, address.length)));
    return socket;
  }

  /** What is delivered to the namespace itself at an address of its own, after every hook. IPv6: without the IP header. */
  static delivered(address: Buffer, protocol: number): Socket {
    const socket = Socket.#make(address.length === 16 ? AF_INET6 : AF_INET, SOCK_RAW, protocol);
    setOption(socket.fd, SOL_SOCKET, SO_RCVBUFFORCE, LARGE);
    const bytes = socketAddress(address, 0);
    checked("bind of a raw socket", Number(bindCall(socket.fd, bytes, bytes.length)));
    return socket;
  }

  /** A client's socket: it does not wait, and hears of refusals. With a protocol's number it sends what comes behind IP. */
  static client(family: Family, protocol: "tcp" | "udp" | number): Socket {
    const type = protocol === "tcp" ? SOCK_STREAM : protocol === "udp" ? SOCK_DGRAM : SOCK_RAW;
    const number = typeof protocol === "number" ? protocol : 0;
    const socket = Socket.#make(family === 6 ? AF_INET6 : AF_INET, type, number);
    if (type !== SOCK_STREAM) setOption(socket.fd, family === 6 ? 41 : 0, family === 6 ? IPV6_RECVERR : IP_RECVERR, 1);
    return socket;
  }

  static #make(domain: number, type: number, protocol: number): Socket {
    return new Socket(checked("socket", Number(socketCall(domain, type | SOCK_NONBLOCK, protocol))));
  }

  connect(address: Buffer): number {
    return outcome(Number(connectCall(this.fd, address, address.length)));
  }

  /** Minus errno when it was not sent. */
  send(data: Buffer, to?: Buffer): number {
    return outcome(Number(sendtoCall(this.fd, data, data.length, MSG_DONTWAIT, to ?? null, to?.length ?? 0)));
  }

  /** The next packet, valid until the next call, or undefined when there is none now; `from` is filled when given. */
  receive(from?: Buffer): Buffer | undefined {
    for (;;) {
      const length = from === undefined ? null : Buffer.from([from.length, 0, 0, 0]);
      const got = outcome(
        Number(recvfromCall(this.fd, this.#buffer, this.#buffer.length, MSG_DONTWAIT, from ?? null, length)),
      );
      if (got >= 0) return this.#buffer.subarray(0, got);
      if (got === -EAGAIN) return undefined;
      if (got !== -EINTR) throw new Error(`receiving from a tap: errno ${-got}`);
    }
  }

  /** The error that has come back, as errno; 0 for none. */
  error(): number {
    const value = Buffer.alloc(4);
    checked("SO_ERROR", Number(getsockoptCall(this.fd, SOL_SOCKET, SO_ERROR, value, Buffer.from([4, 0, 0, 0]))));
    return value.readInt32LE();
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    checked("close", Number(closeCall(this.fd)));
  }
}
