// SPDX-License-Identifier: Apache-2.0
// Shows a run of the suite as it goes: a line for each test that ends, and now and then which ones still run.
import { duration } from "../../../stacks/local/host/progress.ts";
import type { Result } from "./suite.ts";

const words = { passed: "ok     ", failed: "FAILED ", skipped: "skipped" } as const;
const reminderMs = 60_000;

export class Progress {
  readonly #total: number;
  readonly #running = new Map<string, number>();
  readonly #timer: NodeJS.Timeout;
  #done = 0;

  constructor(total: number) {
    this.#total = total;
    this.#timer = setInterval(() => this.#remind(), reminderMs);
  }

  started(name: string): void {
    this.#running.set(name, performance.now());
  }

  ended(result: Result): void {
    this.#running.delete(result.name);
    this.#done += 1;
    const width = String(this.#total).length;
    const place = `[${String(this.#done).padStart(width)}/${this.#total}]`;
    this.#say(`${place} ${words[result.state]} ${duration(result.seconds * 1000).padStart(12)}  ${result.name}`);
    if (result.state !== "passed") this.#say(`        ${firstLine(result.message)}`);
    if (result.state === "failed") this.#say(`        all it wrote: ${result.log}`);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #remind(): void {
    for (const [name, since] of this.#running) this.#say(`  … ${duration(performance.now() - since)}: ${name}`);
  }

  #say(line: string): void {
    process.stdout.write(`${line}\n`);
  }
}

const firstLine = (text: string): string => text.trim().split("\n")[0]?.slice(0, 240) ?? "";
