// SPDX-License-Identifier: Apache-2.0
// Connected UDP sockets whose backend has gone: finds them in each network namespace, and has the kernel let go of them.
import { closeSync, openSync } from "node:fs";
import koffi from "koffi";
import type { MapName, MapShape } from "../../maps/map-table.ts";
import { BpfIterator } from "./iterator.ts";
import { KernelError } from "./kernel-error.ts";

const setns = koffi.load("libc.so.6").func("int setns(int fd, int type)");
const CLONE_NEWNET = 0x40000000;

export interface Released {
  /** Sockets that were let go. */
  readonly sockets: number;
  /** Namespaces that had gone, or could not be entered, with the reason. */
  readonly skipped: readonly { readonly namespace: string; readonly reason: string }[];
}

/** Runs with this thread in another network namespace; nothing else of this process runs meanwhile. */
function inNamespace<T>(path: string, run: () => T): T {
  const home = openSync("/proc/thread-self/ns/net", "r");
  try {
    const there = openSync(path, "r");
    try {
      if (Number(setns(there, CLONE_NEWNET)) !== 0) {
        throw KernelError.from(`entering ${path}`, koffi.errno(), "entering a network namespace needs CAP_SYS_ADMIN");
      }
    } finally {
      closeSync(there);
    }
    try {
      return run();
    } finally {
      // To go on in a stranger's namespace would be worse than to start anew.
      if (Number(setns(home, CLONE_NEWNET)) !== 0) process.abort();
    }
  } finally {
    closeSync(home);
  }
}

/** The loaded iterator, until `close`. */
export class SocketReleaser {
  readonly #iterator: BpfIterator;

  /** Uses the maps of `fds`; the object's others are made small, as its program does not touch them. */
  constructor(path: string, shapes: Readonly<Record<MapName, MapShape>>, fds: ReadonlyMap<MapName, number>) {
    this.#iterator = new BpfIterator("the iterator over UDP sockets", path, "release_udp", (object) => {
      for (const name of Object.keys(shapes) as MapName[]) {
        const fd = fds.get(name);
        if (fd === undefined) object.resizeMap(name, 1);
        else object.reuseMap(name, fd);
      }
    });
  }

  /** In the own namespace, and in each of `namespaces`. */
  release(namespaces: readonly string[]): Released {
    let sockets = this.#walk();
    const skipped: { namespace: string; reason: string }[] = [];
    for (const namespace of namespaces) {
      try {
        sockets += inNamespace(namespace, () => this.#walk());
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        skipped.push({ namespace, reason: error.message });
      }
    }
    return { sockets, skipped };
  }

  /** Every byte that the iterator writes is one socket. */
  #walk(): number {
    return this.#iterator.read().length;
  }

  close(): void {
    this.#iterator.close();
  }
}
