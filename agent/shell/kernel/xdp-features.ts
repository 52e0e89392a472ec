// SPDX-License-Identifier: Apache-2.0
// What XDP can do on a device now, as the kernel's generic netlink family `netdev` says.
import koffi from "koffi";
import { KernelError } from "./kernel-error.ts";
import { close } from "./syscall.ts";

const libc = koffi.load("libc.so.6");
const socket = libc.func("int socket(int family, int type, int protocol)");
const send = libc.func("long send(int fd, const void *bytes, size_t length, int flags)");
const recv = libc.func("long recv(int fd, void *bytes, size_t length, int flags)");

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const NETLINK_GENERIC = 16;
const HEADER_BYTES = 16;
const GENERIC_HEADER_BYTES = 4;
const REQUEST = 1;
const ERROR = 2;
const REPLY_BYTES = 8192;

const CONTROL_FAMILY = 16;
const GET_FAMILY = 3;
const FAMILY_ID = 1;
const FAMILY_NAME = 2;
const DEVICE_GET = 1;
const DEVICE_INDEX = 1;
const DEVICE_XDP_FEATURES = 3;

const BASIC = 1n;
const TRANSMITS = 4n;

export interface XdpFeatures {
  /** Programs can pass, drop and turn frames around. */
  readonly basic: boolean;
  /** Frames that other devices' programs redirect to it are sent. */
  readonly transmits: boolean;
}

interface Attribute {
  readonly type: number;
  readonly value: Buffer;
}

const padded = (length: number): number => (length + 3) & ~3;

function message(family: number, command: number, { type, value }: Attribute): Buffer {
  const at = HEADER_BYTES + GENERIC_HEADER_BYTES;
  const bytes = Buffer.alloc(at + 4 + padded(value.length));
  bytes.writeUInt32LE(bytes.length, 0);
  bytes.writeUInt16LE(family, 4);
  bytes.writeUInt16LE(REQUEST, 6);
  bytes.writeUInt8(command, HEADER_BYTES);
  bytes.writeUInt8(1, HEADER_BYTES + 1);
  bytes.writeUInt16LE(4 + value.length, at);
  bytes.writeUInt16LE(type, at + 2);
  value.copy(bytes, at + 4);
  return bytes;
}

/** The attributes of the one message that answers. */
function ask(fd: number, what: string, family: number, command: number, attribute: Attribute): Attribute[] {
  const asked = message(family, command, attribute);
  const reply = Buffer.alloc(REPLY_BYTES);
  if (Number(send(fd, asked, asked.length, 0)) < 0 || Number(recv(fd, reply, reply.length, 0)) < HEADER_BYTES)
    throw KernelError.from(what, koffi.errno());
  if (reply.readUInt16LE(4) === ERROR) throw KernelError.from(what, -reply.readInt32LE(HEADER_BYTES));
  const end = reply.readUInt32LE(0);
  const attributes: Attribute[] = [];
  for (let at = HEADER_BYTES + GENERIC_HEADER_BYTES; at + 4 <= end; ) {
    const length = reply.readUInt16LE(at);
    attributes.push({ type: reply.readUInt16LE(at + 2), value: reply.subarray(at + 4, at + length) });
    at += Math.max(4, padded(length));
  }
  return attributes;
}

const find = (attributes: readonly Attribute[], type: number): Buffer | undefined =>
  attributes.find((each) => each.type === type)?.value;

/** Throws `KernelError` where the kernel cannot tell; every one that has tcx can. */
export function xdpFeatures(deviceIndex: number): XdpFeatures {
  const fd = Number(socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC));
  if (fd < 0) throw KernelError.from("opening a netlink socket", koffi.errno());
  try {
    const name = { type: FAMILY_NAME, value: Buffer.from("netdev\0") };
    const family = find(ask(fd, "looking for the netlink family netdev", CONTROL_FAMILY, GET_FAMILY, name), FAMILY_ID);
    if (family === undefined) throw new KernelError("the netlink family netdev has no id");
    const index = Buffer.alloc(4);
    index.writeUInt32LE(deviceIndex, 0);
    const asked = { type: DEVICE_INDEX, value: index };
    const what = `asking for the XDP features of device ${deviceIndex}`;
    const features = find(ask(fd, what, family.readUInt16LE(0), DEVICE_GET, asked), DEVICE_XDP_FEATURES);
    const bits = features?.readBigUInt64LE(0) ?? 0n;
    return { basic: (bits & BASIC) !== 0n, transmits: (bits & TRANSMITS) !== 0n };
  } finally {
    close(fd);
  }
}
