// SPDX-License-Identifier: Apache-2.0
// Decides when the next pass begins: at once when the agent is idle, together under load, and never two at a time.

const now = () => performance.now();

export class PassTimer {
  readonly #pass: () => Promise<number>;
  readonly #coalesceMs: number;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #dueAt = Number.POSITIVE_INFINITY;
  #running: Promise<void> | undefined;
  #endedAt = Number.NEGATIVE_INFINITY;
  #tookMs = 0;
  /** Something was asked for while a pass ran. */
  #again = false;
  #stopped = false;

  /** `pass` never rejects, and says when the next one is due if nothing happens before (by `performance.now`). */
  constructor(pass: () => Promise<number>, coalesceMs: number) {
    this.#pass = pass;
    this.#coalesceMs = coalesceMs;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  get isStopped(): boolean {
    return this.#stopped;
  }

  /** A first call after a quiet time is answered at once; passes rest as long as they took, and at least `coalesceMs`. */
  request(): void {
    this.#schedule(Math.max(now(), this.#endedAt + Math.max(this.#coalesceMs, this.#tookMs)));
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
    this.#running = this.#pass()
      .then((nextAt) => {
        this.#endedAt = now();
        this.#tookMs = this.#endedAt - startedAt;
        this.#schedule(nextAt);
        if (this.#again) this.request();
        this.#again = false;
      })
      .finally(() => {
        this.#running = undefined;
      });
  }
}
