// SPDX-License-Identifier: Apache-2.0
// Has connected UDP sockets let go of backends that have gone: those of the host, and those of Pods where the agent may enter their namespaces.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Datapath } from "./kernel/datapath.ts";
import { errorText, type Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";

/** Where container runtimes pin the network namespaces of Pods; undefined to leave their sockets alone. */
export type NamespaceFolder = string | undefined;

/** Never throws: the maps are right whether or not a socket could be let go, and it is tried again with the next sync. */
export class StaleSockets {
  readonly #kernel: Pick<Datapath, "releaseSockets">;
  readonly #folder: NamespaceFolder;
  readonly #log: Log;
  readonly #metrics: Metrics;
  #waiting = false;
  #lastFailure = "";

  constructor(kernel: Pick<Datapath, "releaseSockets">, folder: NamespaceFolder, log: Log, metrics: Metrics) {
    this.#kernel = kernel;
    this.#folder = folder;
    this.#log = log;
    this.#metrics = metrics;
  }

  /** Why sockets that should be let go are not; empty when all are. */
  get failure(): string {
    return this.#lastFailure;
  }

  /** Backends of UDP have gone. */
  note(): void {
    this.#waiting = true;
  }

  release(): void {
    if (!this.#waiting) return;
    try {
      const namespaces = this.#folder === undefined ? [] : namespacesIn(this.#folder);
      const { sockets, skipped } = this.#kernel.releaseSockets(namespaces);
      this.#metrics.releasedSockets.inc(sockets);
      if (sockets > 0) this.#log.info("let go of UDP sockets whose backend has gone", { sockets });
      this.#waiting = skipped.length > 0;
      this.#failed(skipped.map(({ namespace, reason }) => `${namespace}: ${reason}`).join("; "));
    } catch (error) {
      this.#failed(errorText(error));
    }
  }

  #failed(failure: string): void {
    if (failure !== "" && failure !== this.#lastFailure)
      this.#log.warn("some UDP sockets stay connected to backends that have gone", { failure });
    this.#lastFailure = failure;
  }
}

function namespacesIn(folder: string): string[] {
  return readdirSync(folder).map((name) => join(folder, name));
}
