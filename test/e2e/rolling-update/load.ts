// SPDX-License-Identifier: Apache-2.0
// The program that opens connections at a steady rate (load.c): compiled, started here or in a Pod, and asked what it saw.

import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { run } from "../../../stacks/local/host/exec.ts";

/** What became of connections, counted. */
export interface Tally {
  readonly seconds: number;
  /** Connections that the asking machine itself had no room for. */
  readonly notOpened: number;
  readonly answered: number;
  readonly refused: number;
  readonly reset: number;
  readonly unreachable: number;
  readonly noAnswer: number;
  readonly wrongAnswer: number;
  readonly otherError: number;
}

/** Compiles load.c, without any library, so that it runs in every Pod. */
export async function compileLoad(folder: string): Promise<string> {
  const path = join(folder, "load");
  const flags = ["-O2", "-static", "-Wall", "-Wextra", "-Werror"];
  await run("gcc", [...flags, "-o", path, join(import.meta.dirname, "load.c")]);
  return path;
}

export const failuresOf = ({ seconds: _, notOpened: _own, answered: _good, ...failures }: Tally): number =>
  Object.values(failures).reduce((sum, count) => sum + count, 0);

export class RunningLoad {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  #said = "";

  /** `command` runs load.c with its arguments; what it says of failures is shown at once. `signal` kills it. */
  constructor(name: string, [program = "", ...args]: readonly string[], signal: AbortSignal) {
    this.name = name;
    this.#child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], signal });
    this.#child.stdout?.on("data", (chunk) => {
      this.#said += chunk;
    });
    this.#child.stderr?.on("data", (chunk) => process.stderr.write(`  ${name}: ${chunk}`));
    this.#ended = new Promise((done, fail) => {
      this.#child.once("error", fail);
      this.#child.once("close", done);
    });
    // One that ends before it is asked is told of when it is.
    this.#ended.catch(() => undefined);
  }

  /** Lets what is open come to its end. */
  async stop(): Promise<Tally> {
    this.#child.stdin?.end();
    const code = await this.#ended;
    if (code !== 0) throw new Error(`${this.name} ended with code ${code}: ${this.#said}`);
    return JSON.parse(this.#said) as Tally;
  }
}
