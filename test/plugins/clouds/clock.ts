// SPDX-License-Identifier: Apache-2.0
// Lets simulated minutes pass: a cloud's slowness in a fraction of its time.
import { setTimeout as delay } from "node:timers/promises";

export interface Clock {
  /** Lets that many simulated minutes pass. */
  pass(minutes: number, signal: AbortSignal): Promise<void>;
  /** Asks again and again; undefined when the simulated minutes are over before there is an answer. */
  until<Answer>(
    minutes: number,
    signal: AbortSignal,
    ask: () => Promise<Answer | undefined>,
  ): Promise<Answer | undefined>;
}

export const clock = (minuteMs: number): Clock => ({
  pass: (minutes, signal) => delay(minutes * minuteMs, undefined, { signal }),
  async until(minutes, signal, ask) {
    const deadline = performance.now() + minutes * minuteMs;
    const pauseMs = Math.max(50, Math.min(1000, minuteMs / 10));
    for (;;) {
      signal.throwIfAborted();
      const answer = await ask();
      if (answer !== undefined) return answer;
      if (performance.now() >= deadline) return undefined;
      await delay(pauseMs, undefined, { signal });
    }
  },
});
