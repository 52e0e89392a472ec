// SPDX-License-Identifier: Apache-2.0
// New connections without a pause, from the box to NodePorts, with every failure remembered.

import { connect } from "node:net";

export interface LoadResult {
  readonly answered: number;
  readonly failures: readonly string[];
}

const workers = 8;
const timeoutMs = 5_000;

/** Asks `/hostname` of each target in turn until stopped. */
export class Load {
  readonly #targets: readonly { readonly host: string; readonly port: number }[];
  readonly #failures: string[] = [];
  readonly #running: Promise<void>[];
  #answered = 0;
  #stopped = false;

  constructor(targets: readonly { readonly host: string; readonly port: number }[]) {
    this.#targets = targets;
    this.#running = Array.from({ length: workers }, (_, worker) => this.#ask(worker));
  }

  get answered(): number {
    return this.#answered;
  }

  async stop(): Promise<LoadResult> {
    this.#stopped = true;
    await Promise.all(this.#running);
    return { answered: this.#answered, failures: this.#failures };
  }

  async #ask(worker: number): Promise<void> {
    for (let turn = worker; !this.#stopped; turn++) {
      const target = this.#targets[turn % this.#targets.length];
      if (target === undefined) throw new Error("load without a target");
      try {
        await hostnameOf(target.host, target.port);
        this.#answered++;
      } catch (error) {
        const what = error instanceof Error ? error.message : error;
        this.#failures.push(`${new Date().toISOString()} ${target.host}:${target.port} ${what}`);
      }
    }
  }
}

/** The name of the Pod that answered one new connection. */
export function hostnameOf(host: string, port: number): Promise<string> {
  return new Promise((done, fail) => {
    const socket = connect({ host, port, timeout: timeoutMs });
    let text = "";
    socket.once("connect", () => socket.write(`GET /hostname HTTP/1.0\r\nHost: ${host}\r\n\r\n`));
    socket.on("data", (chunk) => {
      text += chunk;
    });
    socket.once("timeout", () => socket.destroy(new Error(`no answer in ${timeoutMs} ms`)));
    socket.once("error", fail);
    socket.once("close", () => {
      const [head, body] = text.split("\r\n\r\n");
      if (head?.startsWith("HTTP/1.") && body) done(body);
      else fail(new Error(`closed after ${JSON.stringify(text)}`));
    });
  });
}
