// SPDX-License-Identifier: Apache-2.0
// Lets a server listen on an address that another process, such as kube-proxy, may still have: it waits until that has left.

import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Log } from "./log.ts";

export interface BindAddress {
  readonly host: string;
  readonly port: number;
}

export interface Listening {
  readonly bind: BindAddress;
  /** Name of the setting that says where to listen. */
  readonly setting: string;
  readonly log: Log;
  readonly retryMs: number;
  /** Whether waiting can cure this error, by its code, when the first attempt meets it. */
  readonly isCurable: (code: string) => boolean;
}

export class PatientListener {
  readonly #server: Server;
  readonly #options: Listening;
  #timer: NodeJS.Timeout | undefined;
  #waits = false;

  constructor(server: Server, options: Listening) {
    this.#server = server;
    this.#options = options;
  }

  /** The port that it listens on; undefined while it does not. */
  get port(): number | undefined {
    return (this.#server.address() as AddressInfo | null)?.port;
  }

  /** Resolves when it listens or waits; rejects with the error that no waiting cures. */
  start(): Promise<void> {
    const { bind, setting, log } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.on("listening", () => {
      if (this.#waits) log.info(`listening on ${setting} now`, { ...bind });
      resolve();
    });
    this.#server.on("error", (error: NodeJS.ErrnoException) => {
      if (!this.#waits && !this.#options.isCurable(error.code ?? "")) reject(error);
      else {
        this.#wait(error);
        resolve();
      }
    });
    this.#listen();
    return promise;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #listen(): void {
    const { host, port } = this.#options.bind;
    this.#server.listen(port, host);
  }

  #wait({ code, message }: NodeJS.ErrnoException): void {
    const { bind, setting, log, retryMs } = this.#options;
    if (!this.#waits) log.warn(`cannot listen on ${setting} yet, trying again`, { ...bind, error: code ?? message });
    this.#waits = true;
    this.#timer = setTimeout(() => this.#listen(), retryMs);
  }
}
