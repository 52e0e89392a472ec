// SPDX-License-Identifier: Apache-2.0
// A BPF iterator: a program that the kernel runs once for each object of a kind, whenever its output is read.
import { readSync } from "node:fs";
import { KernelError } from "./kernel-error.ts";
import { BpfObject } from "./libbpf.ts";
import { close, iteratorCreate, linkCreate } from "./syscall.ts";

const TRACE_ITERATOR = 28;
const CHUNK_BYTES = 4096;

/** The loaded iterator, until `close`. */
export class BpfIterator {
  readonly #what: string;
  readonly #object: BpfObject;
  readonly #link: number;

  /** `what` names it for errors; `prepare` may give the object maps before it is loaded. */
  constructor(what: string, path: string, program: string, prepare: (object: BpfObject) => void = () => {}) {
    this.#what = what;
    this.#object = new BpfObject(path);
    try {
      prepare(this.#object);
      this.#object.load();
      const fd = this.#object.programs().get(program);
      if (fd === undefined) throw new KernelError(`${path} has no program ${program}; run npm run build:bpf`);
      this.#link = linkCreate(what, fd, 0, TRACE_ITERATOR);
    } catch (error) {
      this.#object.close();
      throw error;
    }
  }

  /** All that the program writes in one walk over this thread's namespaces. */
  read(): Buffer {
    const fd = iteratorCreate(this.#what, this.#link);
    try {
      const chunks: Buffer[] = [];
      for (;;) {
        const chunk = Buffer.alloc(CHUNK_BYTES);
        const bytes = readSync(fd, chunk);
        if (bytes === 0) return Buffer.concat(chunks);
        chunks.push(chunk.subarray(0, bytes));
      }
    } finally {
      close(fd);
    }
  }

  close(): void {
    close(this.#link);
    this.#object.close();
  }
}
