// SPDX-License-Identifier: Apache-2.0
// A child process that answers each line with one line of JSON, in order; its end is an error for who waits.
import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import type { Cleanup } from "../../support/netns.ts";

interface Waiting {
  resolve(reply: unknown): void;
  reject(error: Error): void;
}

export class LineProcess {
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #waiting: Waiting[] = [];
  #ended: Error | undefined;

  constructor(name: string, child: ChildProcess, cleanup: Cleanup) {
    this.#name = name;
    this.#child = child;
    cleanup.add(() => child.kill("SIGKILL"));
    if (child.stdout === null || child.stdin === null) throw new Error(`${name} was started without pipes`);
    createInterface({ input: child.stdout }).on("line", (line) => this.#waiting.shift()?.resolve(JSON.parse(line)));
    // A write to a process that has ended is reported by its end.
    child.stdin.on("error", () => undefined);
    // Not "exit", after which its last words may still come.
    child.once("close", (code, signal) => {
      this.#ended = new Error(`${name} ended with ${signal ?? code}`);
      for (const { reject } of this.#waiting.splice(0)) reject(this.#ended);
    });
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error(`${this.#name} did not start`);
    return this.#child.pid;
  }

  /** The next line that it says. */
  heard<T>(): Promise<T> {
    if (this.#ended) return Promise.reject(this.#ended);
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ resolve: (reply) => resolve(reply as T), reject });
    });
  }

  ask<T>(line: string): Promise<T> {
    const answer = this.heard<T>();
    this.#child.stdin?.write(`${line}\n`);
    return answer;
  }

  /** Resolves when it has ended. */
  async stop(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill(signal);
    await ended;
  }
}
