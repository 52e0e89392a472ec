// SPDX-License-Identifier: Apache-2.0
// Interrupts an update of the stack under test as a person does.

import { expect } from "vitest";
import { outcome, type StackUnderTest } from "./stack-under-test.ts";
import { until } from "./until.ts";

/** Ends an update by Ctrl-C as soon as its output shows `pattern`; it has to fail. Gives what it said. */
export async function interruptedAt(stack: StackUnderTest, what: string, pattern: RegExp): Promise<string> {
  const update = stack.startUp();
  let seen = "";
  const keep = (chunk: Buffer) => {
    seen += chunk;
  };
  update.stdout?.on("data", keep);
  update.stderr?.on("data", keep);
  const ended = outcome(update);
  await until(what, () => (pattern.test(seen) || update.exitCode !== null ? true : undefined), 600_000);
  expect(seen).toMatch(pattern);
  update.kill("SIGINT");
  const { code, text } = await ended;
  expect(code).not.toBe(0);
  return text;
}
