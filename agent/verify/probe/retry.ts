// SPDX-License-Identifier: Apache-2.0
// Repeats an attempt until it succeeds or a deadline passes: Services take a moment until they are programmed everywhere.
import { setTimeout as pause } from "node:timers/promises";

export interface Attempt {
  readonly passed: boolean;
  readonly observed: string;
}

/** A point of the monotonic clock, in milliseconds as `performance.now()` counts. */
export type DeadlineMs = number;

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 1_500;

/** The first passing attempt, or the last failing one. An attempt that throws counts as failed with its message. */
export const retryUntil = async (deadline: DeadlineMs, attempt: () => Promise<Attempt>): Promise<Attempt> => {
  const started = performance.now();
  let pauseMs = FIRST_PAUSE_MS;
  for (;;) {
    const result = await attempt().catch(
      (error: unknown): Attempt => ({
        passed: false,
        observed: error instanceof Error ? error.message : String(error),
      }),
    );
    if (result.passed) return result;
    if (performance.now() + pauseMs >= deadline) {
      const tried = Math.round((performance.now() - started) / 1000);
      return { passed: false, observed: `${result.observed} (kept trying for ${tried} s)` };
    }
    await pause(pauseMs);
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  }
};
