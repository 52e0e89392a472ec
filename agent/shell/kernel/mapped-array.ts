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
/** Times the stride, which is a multiple of 8, these are whole pages: no cell lies in two windows. */
const CELLS_OF_A_WINDOW = 8192;

/** Some cells of the array, `first` to before `end`. */
export interface Window {
  readonly first: number;
  readonly end: number;
  /** `stride` bytes for each cell. */
  readonly bytes: Buffer;
  readonly words: BigUint64Array;
}

interface Mapping extends Window {
  readonly address: bigint;
  readonly mappedBytes: number;
}

/**
 * The cells of one mapped array. Mapped is what has been written here, window by window: what is mapped counts as memory of
 * this process, and most cells of most arrays are never used. Nothing may be touched after `close`.
 */
export class MappedArray {
  readonly #name: string;
  readonly #fd: number;
  readonly stride: number;
  readonly length: number;
  readonly #windows = new Map<number, Mapping>();
  #isClosed = false;

  /** The descriptor stays the caller's, who closes it after this. */
  constructor(name: string, fd: number, shape: MapShape) {
    this.#name = name;
    this.#fd = fd;
    this.stride = arrayStride(shape);
    this.length = shape.entries;
  }

  /** The window with this cell, which stays mapped; throws when the array is shorter. */
  window(cell: number): Window {
    if (!Number.isInteger(cell) || cell < 0 || cell >= this.length) {
      throw new KernelError(`${this.#name} has no cell ${cell}: it holds ${this.length}; raise its size`, 7);
    }
    const number = Math.floor(cell / CELLS_OF_A_WINDOW);
    const known = this.#windows.get(number);
    if (known) return known;
    const mapping = this.#map(number);
    this.#windows.set(number, mapping);
    return mapping;
  }

  /** All windows one after the other, each for as long as the caller looks at it. */
  *scan(): Generator<Window, undefined> {
    for (let number = 0; number * CELLS_OF_A_WINDOW < this.length; number++) {
      const known = this.#windows.get(number);
      if (known) {
        yield known;
        continue;
      }
      const mapping = this.#map(number);
      try {
        yield mapping;
      } finally {
        munmap(mapping.address, mapping.mappedBytes);
      }
    }
    return undefined;
  }

  /** Stores an 8-byte cell in one instruction, after everything stored before it. */
  storeWord(cell: number, word: bigint): void {
    const { words, first } = this.window(cell);
    Atomics.store(words, ((cell - first) * this.stride) / 8, word);
  }

  close(): void {
    this.#isClosed = true;
    for (const { address, mappedBytes } of this.#windows.values()) munmap(address, mappedBytes);
    this.#windows.clear();
  }

  #map(number: number): Mapping {
    if (this.#isClosed) throw new KernelError(`map ${this.#name} was used after the datapath was closed`);
    const first = number * CELLS_OF_A_WINDOW;
    const end = Math.min(this.length, first + CELLS_OF_A_WINDOW);
    const used = (end - first) * this.stride;
    const mappedBytes = Math.ceil(used / PAGE_BYTES) * PAGE_BYTES;
    const address = mmap(null, mappedBytes, READ_WRITE, SHARED, this.#fd, first * this.stride) as bigint | null;
    if (address === null || BigInt.asIntN(64, address) === -1n) {
      throw KernelError.from(`mapping ${this.#name} into memory`, koffi.errno());
    }
    const memory = koffi.view(address, mappedBytes);
    const [bytes, words] = [Buffer.from(memory, 0, used), new BigUint64Array(memory, 0, used / 8)];
    return { first, end, bytes, words, address, mappedBytes };
  }
}
