// SPDX-License-Identifier: Apache-2.0
// An array map as memory of this process: writes are stores, with no system call.
import koffi from "koffi";
import { arrayStride, type MapShape } from "../../maps/map-table.ts";
import { KernelError } from "./kernel-error.ts";

const libc = koffi.load("libc.so.6");
const mmap = libc.func("void *mmap(void *address, size_t bytes, int protection, int flags, int fd, long offset)");
const munmap = libc.func("int munmap(void *address, size_t bytes)");

const READ_WRITE = 3;
const SHARED = 1;
const PAGE_BYTES = 4096;

/** The cells of one mapped array. Nothing may be touched after `close`. */
export class MappedArray {
  readonly #name: string;
  readonly #address: bigint;
  readonly #mappedBytes: number;
  readonly stride: number;
  readonly length: number;
  #bytes: Buffer | undefined;
  #words: BigUint64Array | undefined;

  constructor(name: string, fd: number, shape: MapShape) {
    this.#name = name;
    this.stride = arrayStride(shape);
    this.length = shape.entries;
    const used = this.stride * this.length;
    this.#mappedBytes = Math.ceil(used / PAGE_BYTES) * PAGE_BYTES;
    const address = mmap(null, this.#mappedBytes, READ_WRITE, SHARED, fd, 0) as bigint | null;
    if (address === null || BigInt.asIntN(64, address) === -1n) {
      throw KernelError.from(`mapping ${name} into memory`, koffi.errno());
    }
    this.#address = address;
    const memory = koffi.view(address, this.#mappedBytes);
    this.#bytes = Buffer.from(memory, 0, used);
    this.#words = new BigUint64Array(memory, 0, used / 8);
  }

  #opened<T>(part: T | undefined): T {
    if (part === undefined) throw new KernelError(`map ${this.#name} was used after the datapath was closed`);
    return part;
  }

  /** All cells as bytes, `stride` apart. */
  get bytes(): Buffer {
    return this.#opened(this.#bytes);
  }

  /** All cells as 64-bit words. */
  get words(): BigUint64Array {
    return this.#opened(this.#words);
  }

  /** Where cell `index` begins in `bytes`; throws when the array is shorter. */
  at(index: number): number {
    if (!Number.isInteger(index) || index < 0 || index >= this.length) {
      throw new KernelError(`${this.#name} has no cell ${index}: it holds ${this.length}; raise its size`, 7);
    }
    return index * this.stride;
  }

  /** Stores an 8-byte cell in one instruction, after everything stored before it. */
  storeWord(index: number, word: bigint): void {
    Atomics.store(this.words, this.at(index) / 8, word);
  }

  close(): void {
    if (this.#bytes === undefined) return;
    this.#bytes = undefined;
    this.#words = undefined;
    munmap(this.#address, this.#mappedBytes);
  }
}
