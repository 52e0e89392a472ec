// SPDX-License-Identifier: Apache-2.0
// Drives long work so that the event loop never stands still for long.

import { setImmediate as yieldToEvents } from "node:timers/promises";
import type { Steps } from "../core/steps.ts";

/** The event loop gets its turn after so long. */
export const LONGEST_SLICE_MS = 2;

export async function inSlices<T>(steps: Steps<T>): Promise<T> {
  let began = performance.now();
  let step = steps.next();
  for (; !step.done; step = steps.next()) {
    if (performance.now() - began <= LONGEST_SLICE_MS) continue;
    await yieldToEvents();
    began = performance.now();
  }
  return step.value;
}
