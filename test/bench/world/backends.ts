// SPDX-License-Identifier: Apache-2.0
// The program that answers for all backends (backends.c), started in a namespace, and told whom to refuse.
import type { Cleanup, Netns } from "../../support/netns.ts";
import { LineProcess } from "./line-process.ts";

/** Answers on every address of the namespace. */
export class Backends {
  readonly #process: LineProcess;

  private constructor(process: LineProcess) {
    this.#process = process;
  }

  static async start(program: string, netns: Netns, cleanup: Cleanup, port: number): Promise<Backends> {
    const argv = [program, String(port)];
    const process = new LineProcess(`the backends in ${netns.name}`, netns.start(argv), cleanup);
    await process.heard();
    return new Backends(process);
  }

  /** From now on new connections to the address are reset; those that there are go on. */
  refuse(address: string): Promise<unknown> {
    return this.#process.ask(`refuse ${address}`);
  }
}
