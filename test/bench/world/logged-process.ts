// SPDX-License-Identifier: Apache-2.0
// A program in a namespace whose words go to a file, to be shown when it ends before it should.
import type { ChildProcess } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import type { Cleanup, Netns } from "../../support/netns.ts";

/** `startedNs` is CLOCK_MONOTONIC right before it was started. */
export class LoggedProcess {
  readonly startedNs: bigint;
  readonly logFile: string;
  readonly #name: string;
  readonly #child: ChildProcess;

  constructor(name: string, logFile: string, netns: Netns, argv: readonly string[], cleanup: Cleanup) {
    this.#name = name;
    this.logFile = logFile;
    const log = openSync(logFile, "a");
    this.startedNs = process.hrtime.bigint();
    this.#child = netns.start(["sh", "-c", 'exec "$@" >&3 2>&3', "sh", ...argv], undefined, [log]);
    closeSync(log);
    cleanup.add(() => this.#child.kill("SIGKILL"));
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error(`${this.#name} did not start`);
    return this.#child.pid;
  }

  /** The end of its log. */
  lastLines(): string {
    return readFileSync(this.logFile, "utf8").trim().split("\n").slice(-5).join("\n");
  }

  /** Throws with the end of its log when it has ended. */
  checkAlive(): void {
    if (this.#child.exitCode === null && this.#child.signalCode === null) return;
    throw new Error(`${this.#name} ended with ${this.#child.signalCode ?? this.#child.exitCode}:\n${this.lastLines()}`);
  }

  async stop(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill(signal);
    await ended;
  }
}
