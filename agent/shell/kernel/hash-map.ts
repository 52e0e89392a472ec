// SPDX-License-Identifier: Apache-2.0
// A map that is reached by system calls: hash, LPM trie, or a small array.
import type { MapShape } from "../../maps/map-table.ts";
import {
  type Batch,
  mapDelete,
  mapInsert,
  mapLookup,
  mapLookupBatch,
  mapNextKey,
  mapUpdate,
  mapUpdateBatch,
} from "./syscall.ts";

const BATCH = 4096;

/** One map by its descriptor, which the owner closes. */
export class HashMap {
  readonly #name: string;
  readonly #fd: number;
  readonly #shape: MapShape;

  constructor(name: string, fd: number, shape: MapShape) {
    this.#name = name;
    this.#fd = fd;
    this.#shape = shape;
  }

  get(key: Buffer): Buffer | undefined {
    const value = Buffer.alloc(this.#shape.valueBytes);
    return mapLookup(this.#name, this.#fd, key, value) ? value : undefined;
  }

  set(key: Buffer, value: Buffer): void {
    mapUpdate(this.#name, this.#fd, key, value);
  }

  /** False when there is such a key already, which is left as it is. */
  insert(key: Buffer, value: Buffer): boolean {
    return mapInsert(this.#name, this.#fd, key, value);
  }

  setBatch(batch: Batch): void {
    if (batch.count > 0) mapUpdateBatch(this.#name, this.#fd, batch);
  }

  /** False when there was no such key. */
  delete(key: Buffer): boolean {
    return mapDelete(this.#name, this.#fd, key);
  }

  /** Every entry, one system call for each: for small maps of any kind. */
  *walk(): Iterable<[Buffer, Buffer]> {
    const { keyBytes } = this.#shape;
    let key = mapNextKey(this.#name, this.#fd, undefined, keyBytes);
    while (key !== undefined) {
      const value = this.get(key);
      if (value !== undefined) yield [key, value];
      key = mapNextKey(this.#name, this.#fd, key, keyBytes);
    }
  }

  /** Every entry of a hash map, thousands for each system call. */
  *entries(): Iterable<[Buffer, Buffer]> {
    const { keyBytes, valueBytes } = this.#shape;
    for (const { keys, values, count } of this.batches()) {
      for (let index = 0; index < count; index++) {
        yield [
          keys.subarray(index * keyBytes, (index + 1) * keyBytes),
          values.subarray(index * valueBytes, (index + 1) * valueBytes),
        ];
      }
    }
  }

  /** The same, as the kernel gives them. */
  *batches(): Iterable<Batch> {
    const { keyBytes, valueBytes } = this.#shape;
    let from: Buffer | undefined;
    let limit = BATCH;
    while (true) {
      const batch = mapLookupBatch(this.#name, this.#fd, from, limit, keyBytes, valueBytes);
      if (batch === undefined) {
        limit *= 2;
        continue;
      }
      yield batch;
      if (batch.next === undefined) return;
      from = batch.next;
    }
  }
}
