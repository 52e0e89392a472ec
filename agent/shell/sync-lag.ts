// SPDX-License-Identifier: Apache-2.0
// Knows since when the oldest change has been waiting that is not in the kernel yet, through syncs that fail.

export class SyncLag {
  readonly #now: () => number;
  /** Of what waits for the next sync, and of what the present one works on. */
  #askedAt: number | undefined;
  #workingOn: number | undefined;

  /** `now` in milliseconds, of any monotonic clock. */
  constructor(now: () => number) {
    this.#now = now;
  }

  asked(): void {
    this.#askedAt ??= this.#now();
  }

  began(): void {
    this.#workingOn = this.#askedAt;
    this.#askedAt = undefined;
  }

  /** `ok`: all that was asked before it began is in the kernel. */
  ended(ok: boolean): void {
    if (!ok) this.#askedAt = this.#workingOn ?? this.#askedAt ?? this.#now();
    this.#workingOn = undefined;
  }

  get seconds(): number {
    const since = this.#workingOn ?? this.#askedAt;
    return since === undefined ? 0 : (this.#now() - since) / 1000;
  }
}
