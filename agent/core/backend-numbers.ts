// SPDX-License-Identifier: Apache-2.0
// One number for each of very many backends: a hash table in two arrays, with no text and no entry object for each.

import { type Backend, sameBackend } from "./operation.ts";

const SMALLEST = 16;

/** Open addressing with linear probing; at most four fifths full. */
export class BackendNumbers {
  #backends: (Backend | undefined)[] = emptySlots(SMALLEST);
  #hashes = new Uint32Array(SMALLEST);
  #numbers = new Uint32Array(SMALLEST);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Undefined when there is none. */
  get(backend: Backend): number | undefined {
    const slot = this.#slotOf(backend, hash(backend));
    return this.#backends[slot] === undefined ? undefined : this.#numbers[slot];
  }

  /** A whole number below 2^32. */
  set(backend: Backend, number: number): void {
    const code = hash(backend);
    const slot = this.#slotOf(backend, code);
    this.#numbers[slot] = number;
    if (this.#backends[slot] !== undefined) return;
    this.#backends[slot] = backend;
    this.#hashes[slot] = code;
    this.#size++;
    if (this.#size * 5 > this.#backends.length * 4) this.#grow();
  }

  /** What follows without a gap moves up, so that every probe still ends at the first empty slot. */
  delete(backend: Backend): void {
    let gap = this.#slotOf(backend, hash(backend));
    if (this.#backends[gap] === undefined) return;
    const mask = this.#backends.length - 1;
    for (let slot = (gap + 1) & mask; this.#backends[slot] !== undefined; slot = (slot + 1) & mask) {
      // One whose own place lies after the gap must stay behind it.
      if (((slot - (this.#hashes[slot] ?? 0)) & mask) < ((slot - gap) & mask)) continue;
      this.#move(slot, gap);
      gap = slot;
    }
    this.#backends[gap] = undefined;
    this.#size--;
  }

  clear(): void {
    this.#allocate(SMALLEST);
    this.#size = 0;
  }

  #slotOf(backend: Backend, code: number): number {
    const mask = this.#backends.length - 1;
    for (let slot = code & mask; ; slot = (slot + 1) & mask) {
      const found = this.#backends[slot];
      if (found === undefined || (this.#hashes[slot] === code && sameBackend(found, backend))) return slot;
    }
  }

  #move(from: number, to: number): void {
    this.#backends[to] = this.#backends[from];
    this.#hashes[to] = this.#hashes[from] ?? 0;
    this.#numbers[to] = this.#numbers[from] ?? 0;
  }

  #allocate(slots: number): void {
    this.#backends = emptySlots(slots);
    this.#hashes = new Uint32Array(slots);
    this.#numbers = new Uint32Array(slots);
  }

  #grow(): void {
    const [backends, hashes, numbers] = [this.#backends, this.#hashes, this.#numbers];
    this.#allocate(backends.length * 2);
    const mask = this.#backends.length - 1;
    for (let from = 0; from < backends.length; from++) {
      if (backends[from] === undefined) continue;
      const code = hashes[from] ?? 0;
      let slot = code & mask;
      while (this.#backends[slot] !== undefined) slot = (slot + 1) & mask;
      this.#backends[slot] = backends[from];
      this.#hashes[slot] = code;
      this.#numbers[slot] = numbers[from] ?? 0;
    }
  }
}

const emptySlots = (count: number): (Backend | undefined)[] => new Array<undefined>(count).fill(undefined);

/** FNV-1a over the address, then port and protocol, finished so that the low bits are good. */
function hash({ address, port, protocol }: Backend): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < address.length; index++) value = Math.imul(value ^ address.charCodeAt(index), 0x01000193);
  value = Math.imul(value ^ (port * 256 + protocol), 0x85ebca6b);
  return (value ^ (value >>> 15)) >>> 0;
}
