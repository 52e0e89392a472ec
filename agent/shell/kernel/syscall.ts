// SPDX-License-Identifier: Apache-2.0
// bpf(2) from Node: one function for each command that we use. `what` names the object, for errors.
import koffi from "koffi";
import { KernelError } from "./kernel-error.ts";

const libc = koffi.load("libc.so.6");
const syscall = libc.func("long syscall(long number, int command, void *attributes, unsigned int size)");
const closeFd = libc.func("int close(int fd)");

const numbers: Readonly<Record<string, number>> = { x64: 321, arm64: 280, riscv64: 280 };
const ATTRIBUTE_BYTES = 144;

const MAP_LOOKUP = 1;
const MAP_UPDATE = 2;
const MAP_DELETE = 3;
const MAP_NEXT_KEY = 4;
const OBJECT_PIN = 6;
const OBJECT_GET = 7;
const PROGRAM_TEST_RUN = 10;
const OBJECT_INFO = 15;
const MAP_LOOKUP_BATCH = 24;
const MAP_UPDATE_BATCH = 26;
const LINK_CREATE = 28;
const LINK_UPDATE = 29;
const ITERATOR_CREATE = 33;
const LINK_DETACH = 34;

export const ENOENT = 2;
export const E2BIG = 7;
const EEXIST = 17;
const ENOSPC = 28;
/** `BPF_NOEXIST`. */
const NO_EXIST = 1n;

/** Runs one command; returns its result, or minus errno. */
function bpf(command: number, attributes: Buffer): number {
  const number = numbers[process.arch];
  if (number === undefined) throw new KernelError(`bpf(2) has no known number on ${process.arch}; use x64 or arm64`);
  const result = Number(syscall(number, command, attributes, attributes.length));
  return result < 0 ? -koffi.errno() : result;
}

const attributes = (): Buffer => Buffer.alloc(ATTRIBUTE_BYTES);
const pointer = (bytes: Buffer): bigint => koffi.address(bytes);
const path = (text: string): Buffer => Buffer.from(`${text}\0`);

function checked(what: string, result: number, remedy?: string): number {
  if (result < 0) throw KernelError.from(what, -result, remedy);
  return result;
}

export function close(fd: number): void {
  closeFd(fd);
}

function element(fd: number, key: Buffer, value: Buffer | undefined): Buffer {
  const attr = attributes();
  attr.writeUInt32LE(fd, 0);
  attr.writeBigUInt64LE(pointer(key), 8);
  if (value !== undefined) attr.writeBigUInt64LE(pointer(value), 16);
  return attr;
}

/** Fills `value`; false when there is no such key. */
export function mapLookup(what: string, fd: number, key: Buffer, value: Buffer): boolean {
  const result = bpf(MAP_LOOKUP, element(fd, key, value));
  if (result === -ENOENT) return false;
  checked(`reading ${what} at key ${key.toString("hex")}`, result);
  return true;
}

export function mapUpdate(what: string, fd: number, key: Buffer, value: Buffer): void {
  const result = bpf(MAP_UPDATE, element(fd, key, value));
  const remedy = result === -E2BIG ? "the map is full: raise its size" : undefined;
  checked(`writing ${what} at key ${key.toString("hex")}`, result, remedy);
}

/** False when there is such a key already, which is left as it is. */
export function mapInsert(what: string, fd: number, key: Buffer, value: Buffer): boolean {
  const attr = element(fd, key, value);
  attr.writeBigUInt64LE(NO_EXIST, 24);
  const result = bpf(MAP_UPDATE, attr);
  if (result === -EEXIST) return false;
  checked(`adding to ${what} key ${key.toString("hex")}`, result);
  return true;
}

/** Writes the first `count` of these keys, whether or not they are there. */
export function mapUpdateBatch(what: string, fd: number, { keys, values, count }: Batch): void {
  const attr = attributes();
  attr.writeBigUInt64LE(pointer(keys), 16);
  attr.writeBigUInt64LE(pointer(values), 24);
  attr.writeUInt32LE(count, 32);
  attr.writeUInt32LE(fd, 36);
  checked(`writing ${count} entries of ${what} in one batch`, bpf(MAP_UPDATE_BATCH, attr));
}

/** False when there was no such key. */
export function mapDelete(what: string, fd: number, key: Buffer): boolean {
  const result = bpf(MAP_DELETE, element(fd, key, undefined));
  if (result === -ENOENT) return false;
  checked(`deleting from ${what} key ${key.toString("hex")}`, result);
  return true;
}

/** The key after `key`, or the first; undefined at the end. */
export function mapNextKey(what: string, fd: number, key: Buffer | undefined, keyBytes: number): Buffer | undefined {
  const next = Buffer.alloc(keyBytes);
  const attr = attributes();
  attr.writeUInt32LE(fd, 0);
  if (key !== undefined) attr.writeBigUInt64LE(pointer(key), 8);
  attr.writeBigUInt64LE(pointer(next), 16);
  const result = bpf(MAP_NEXT_KEY, attr);
  if (result === -ENOENT) return undefined;
  checked(`walking ${what}`, result);
  return next;
}

export interface Batch {
  readonly keys: Buffer;
  readonly values: Buffer;
  /** How many entries were read. */
  readonly count: number;
  /** Where the next batch goes on; undefined after the last. */
  readonly next: Buffer | undefined;
}

/** Reads up to `limit` entries; undefined when one hash bucket alone holds more than that. */
export function mapLookupBatch(
  what: string,
  fd: number,
  from: Buffer | undefined,
  limit: number,
  keyBytes: number,
  valueBytes: number,
): Batch | undefined {
  const keys = Buffer.alloc(limit * keyBytes);
  const values = Buffer.alloc(limit * valueBytes);
  const next = Buffer.alloc(Math.max(keyBytes, 8));
  const attr = attributes();
  if (from !== undefined) attr.writeBigUInt64LE(pointer(from), 0);
  attr.writeBigUInt64LE(pointer(next), 8);
  attr.writeBigUInt64LE(pointer(keys), 16);
  attr.writeBigUInt64LE(pointer(values), 24);
  attr.writeUInt32LE(limit, 32);
  attr.writeUInt32LE(fd, 36);
  const result = bpf(MAP_LOOKUP_BATCH, attr);
  if (result === -ENOSPC) return undefined;
  if (result !== -ENOENT) checked(`reading ${what} in one batch`, result);
  return { keys, values, count: attr.readUInt32LE(32), next: result === -ENOENT ? undefined : next };
}

export function pin(fd: number, at: string): void {
  const name = path(at);
  const attr = attributes();
  attr.writeBigUInt64LE(pointer(name), 0);
  attr.writeUInt32LE(fd, 8);
  checked(`pinning ${at}`, bpf(OBJECT_PIN, attr), "it must lie on a mounted bpffs that this process may write");
}

/** A descriptor of what is pinned there; undefined when nothing is. */
export function openPinned(at: string): number | undefined {
  const name = path(at);
  const attr = attributes();
  attr.writeBigUInt64LE(pointer(name), 0);
  const result = bpf(OBJECT_GET, attr);
  return result === -ENOENT ? undefined : checked(`opening the pin ${at}`, result);
}

/** The first bytes of the kernel's description of a map, program or link; `seed` is what it reads from the buffer. */
export function objectInfo(what: string, fd: number, bytes: number, seed?: (info: Buffer) => void): Buffer {
  const info = Buffer.alloc(bytes);
  seed?.(info);
  const attr = attributes();
  attr.writeUInt32LE(fd, 0);
  attr.writeUInt32LE(bytes, 4);
  attr.writeBigUInt64LE(pointer(info), 8);
  checked(`asking about ${what}`, bpf(OBJECT_INFO, attr));
  return info;
}

/**
 * Creates a link and returns its descriptor; `target` is a cgroup's descriptor or an interface index, `flags` those of the
 * attach type.
 */
export function linkCreate(what: string, program: number, target: number, attachType: number, flags = 0): number {
  const attr = attributes();
  attr.writeUInt32LE(program, 0);
  attr.writeUInt32LE(target, 4);
  attr.writeUInt32LE(attachType, 8);
  attr.writeUInt32LE(flags, 12);
  return checked(`attaching ${what}`, bpf(LINK_CREATE, attr));
}

/** Replaces the program of a link, atomically for packets. */
export function linkUpdate(what: string, link: number, program: number): void {
  const attr = attributes();
  attr.writeUInt32LE(link, 0);
  attr.writeUInt32LE(program, 4);
  checked(`replacing the program of ${what}`, bpf(LINK_UPDATE, attr));
}

/**
 * Takes a link's program off its hook before it returns, which closing and unpinning the link leave to a later moment; where
 * the hook is gone, nothing is to be done.
 */
export function linkDetach(what: string, link: number): void {
  const attr = attributes();
  attr.writeUInt32LE(link, 0);
  checked(`detaching ${what}`, bpf(LINK_DETACH, attr));
}

/** A descriptor that runs an iterator once over this thread's namespaces, as it is read. */
export function iteratorCreate(what: string, link: number): number {
  const attr = attributes();
  attr.writeUInt32LE(link, 0);
  return checked(`starting ${what}`, bpf(ITERATOR_CREATE, attr));
}

export interface TestRun {
  readonly verdict: number;
  readonly packet: Buffer;
}

/** Runs a program once over a packet, as if it had come through the device of `context`. */
export function programTestRun(program: number, packet: Buffer, context: Buffer): TestRun {
  const out = Buffer.alloc(packet.length + 256);
  const attr = attributes();
  attr.writeUInt32LE(program, 0);
  attr.writeUInt32LE(packet.length, 8);
  attr.writeUInt32LE(out.length, 12);
  attr.writeBigUInt64LE(pointer(packet), 16);
  attr.writeBigUInt64LE(pointer(out), 24);
  attr.writeUInt32LE(1, 32);
  attr.writeUInt32LE(context.length, 40);
  attr.writeBigUInt64LE(pointer(context), 48);
  checked("running a program over a test packet", bpf(PROGRAM_TEST_RUN, attr));
  return { verdict: attr.readInt32LE(4), packet: out.subarray(0, attr.readUInt32LE(12)) };
}
