// SPDX-License-Identifier: Apache-2.0
// Decides when the next pass begins: at once when the agent is idle, together under load, and never two at a time. A pass over
// everything may take a hundred times as long as one over what has changed, so each of the two rests by its own measure.

const now = () => performance.now();

export class PassTimer {
  readonly #pass: () => Promise<number>;
  readonly #coalesceMs: number;
  readonly #isWhole: () => boolean;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #dueAt = Number.POSITIVE_INFINITY;
  #running: Promise<void> | undefined;
  #endedAt = Number.NEGATIVE_INFINITY;
  /** How long the last pass over everything took, and the last over less. */
  readonly #tookMs = { whole: 0, small: 0 };
  /** Something was asked for while a pass ran. */
  #again = false;
  #stopped = false;

  /**
   * `pass` never rejects, and says when the next one is due if nothing happens before (by `performance.now`). `isWhole` says
   * whether one that began now would look at everything.
   */
  constructor(pass: () => Promise<number>, coalesceMs: number, isWhole: () => boolean) {
    this.#pass = pass;
    this.#coalesceMs = coalesceMs;
    this.#isWhole = isWhole;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  get isStopped(): boolean {
    return this.#stopped;
  }

  /**
   * A first call after a quiet time is answered at once; passes come `coalesceMs` after the last one at least, and as long after
   * it as their own kind took.
   */
  request(): void {
    this.#schedule(Math.max(now(), this.#endedAt + Math.max(this.#coalesceMs, this.#tookMs[this.#kind()])));
  }

  #kind(): "whole" | "small" {
    return this.#isWhole() ? "whole" : "small";
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#forget();
    await this.#running;
  }

  #schedule(at: number): void {
    if (this.#stopped || at >= this.#dueAt) return;
    this.#forget();
    this.#dueAt = at;
    const delayMs = at - now();
    if (delayMs <= 0) this.#immediate = setImmediate(() => this.#begin());
    else this.#timer = setTimeout(() => this.#begin(), delayMs);
  }

  #forget(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
  }

  #begin(): void {
    this.#dueAt = Number.POSITIVE_INFINITY;
    if (this.#running) {
      this.#again = true;
      return;
    }
    const startedAt = now();
    const kind = this.#kind();
    this.#running = this.#pass()
      .then((nextAt) => {
        this.#endedAt = now();
        this.#tookMs[kind] = this.#endedAt - startedAt;
        this.#schedule(nextAt);
        if (this.#again) this.request();
        this.#again = false;
      })
      .finally(() => {
        this.#running = undefined;
      });
  }
}
