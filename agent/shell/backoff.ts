// SPDX-License-Identifier: Apache-2.0
// Spaces retries: doubling pauses with jitter up to a limit, for ever, until a success starts them over.

export interface BackoffLimits {
  readonly firstMs: number;
  readonly limitMs: number;
}

export class Backoff {
  readonly #limits: BackoffLimits;
  readonly #random: () => number;
  #failures = 0;

  constructor(limits: BackoffLimits, random: () => number = Math.random) {
    this.#limits = limits;
    this.#random = random;
  }

  get failures(): number {
    return this.#failures;
  }

  /** The next pause: between half of and the whole of the doubled one. */
  nextMs(): number {
    const full = Math.min(this.#limits.limitMs, this.#limits.firstMs * 2 ** Math.min(this.#failures, 30));
    this.#failures++;
    return full / 2 + (full / 2) * this.#random();
  }

  reset(): void {
    this.#failures = 0;
  }
}
