// SPDX-License-Identifier: Apache-2.0
// How full maps are: the kernel's own count of each hash map's entries, and the memory that it accounts a map for.
import { readFileSync } from "node:fs";
import { BpfIterator } from "./iterator.ts";
import { KernelError } from "./kernel-error.ts";
import { mapInfo } from "./object-info.ts";

export interface MapUsage {
  /** Undefined where the kernel does not say: only who writes an array knows which of its cells mean anything. */
  readonly entries: number | undefined;
  readonly capacity: number;
  /** Kernel memory that the map takes. */
  readonly bytes: number;
}

/** `struct census` in bpf/census.bpf.c. */
const RECORD_BYTES = 16;
/** BPF_MAP_TYPE_HASH, PERCPU_HASH, LRU_HASH and LRU_PERCPU_HASH. */
const COUNTED_TYPES = [1, 5, 9, 10];

/** The loaded iterator, until `close`. Where it cannot be loaded (no CAP_PERFMON) entries are unknown, and the rest is not. */
export class MapCensus {
  readonly #iterator: BpfIterator | undefined;

  constructor(path: string) {
    try {
      this.#iterator = new BpfIterator("the iterator over maps", path, "count_entries");
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
    }
  }

  usage<Name extends string>(fds: ReadonlyMap<Name, number>): Map<Name, MapUsage> {
    const entries = this.#entriesById();
    return new Map(
      [...fds].map(([name, fd]) => {
        const { id, type, entries: capacity } = mapInfo(`map ${name}`, fd);
        const counted = COUNTED_TYPES.includes(type) ? entries.get(id) : undefined;
        return [name, { entries: counted, capacity, bytes: memoryBytes(fd) }];
      }),
    );
  }

  #entriesById(): Map<number, number> {
    const bytes = this.#iterator?.read() ?? Buffer.alloc(0);
    const records = Array.from({ length: bytes.length / RECORD_BYTES }, (_, index) => index * RECORD_BYTES);
    return new Map(records.map((at) => [bytes.readUInt32LE(at + 8), Number(bytes.readBigUInt64LE(at))]));
  }

  close(): void {
    this.#iterator?.close();
  }
}

const memoryBytes = (fd: number): number =>
  Number(/^memlock:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1]);
