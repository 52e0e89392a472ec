// SPDX-License-Identifier: Apache-2.0
// Proves that stages which run at the same time are read one after the other.
import { expect, test } from "vitest";
import { StageOutput } from "./stage-output.ts";

test("a stage that is held back is shown as a whole once it is released, and at once from then on", () => {
  const shown: (string | Uint8Array)[] = [];
  const output = new StageOutput(true, (part) => shown.push(part));
  output.write("first");
  output.write("second");
  expect(shown).toEqual([]);
  expect(output.isHeld).toBe(true);
  output.release();
  expect(shown).toEqual(["first", "second"]);
  expect(output.isHeld).toBe(false);
  output.write("third");
  expect(shown).toEqual(["first", "second", "third"]);
});

test("a stage alone is shown as it speaks", () => {
  const shown: (string | Uint8Array)[] = [];
  const output = new StageOutput(false, (part) => shown.push(part));
  output.write("first");
  expect(shown).toEqual(["first"]);
});
