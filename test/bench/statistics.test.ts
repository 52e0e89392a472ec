// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import { expect, test } from "vitest";
import { beyondNoise, median, pairedRatio, percentile, rotated, summarize } from "./statistics.ts";

const samples = fc.array(fc.double({ min: 0.001, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 50 });

test("a percentile lies on the line between its two neighbours", () => {
  const sorted = [10, 20, 30, 40, 50];
  expect([0, 0.25, 0.5, 0.9, 1].map((part) => percentile(sorted, part))).toEqual([10, 20, 30, 46, 50]);
});

test("the median of an even number of samples lies between the middle two", () => {
  expect(median([4, 1, 3, 2])).toBe(2.5);
});

test("a summary does not depend on the order of samples, and its figures ascend", () => {
  fc.assert(
    fc.property(samples, (values) => {
      const summary = summarize(values);
      expect(summarize([...values].reverse())).toEqual(summary);
      const { min, median: middle, p90, p99, max } = summary;
      expect([min, middle, p90, p99, max]).toEqual([min, middle, p90, p99, max].sort((a, b) => a - b));
      expect(summary.n).toBe(values.length);
    }),
  );
});

test("the spread is half of the samples' distance, and one wild sample does not move it", () => {
  expect(summarize([9, 10, 11, 12, 13]).spread).toBe(1);
  expect(summarize([9, 10, 11, 12, 1_000_000]).spread).toBe(1);
});

test.each([
  ["no samples", []],
  ["a sample that is no number", [1, Number.NaN]],
  ["a rate over no time", [1, Number.POSITIVE_INFINITY]],
])("%s are refused instead of summarized", (_, values) => {
  expect(() => summarize(values)).toThrow(RangeError);
});

test("noise that hits both sides of a round alike cancels out of the paired ratio", () => {
  const noise = [1, 7, 2, 30, 5];
  const [slow, fast] = [noise.map((factor) => 3 * factor), noise.map((factor) => 2 * factor)];
  const ratio = pairedRatio(slow, fast);
  for (const figure of [ratio.median, ratio.low, ratio.high]) expect(figure).toBeCloseTo(1.5, 12);
  expect(ratio.pairs).toBe(5);
});

test("rounds without a partner are refused", () => {
  expect(() => pairedRatio([1, 2], [1])).toThrow("cannot be paired");
});

test("a ratio counts only beyond what the same thing measured twice gives", () => {
  const noise = pairedRatio([1.02, 0.99, 1.01], [1, 1, 1]);
  expect(beyondNoise(pairedRatio([1.01, 1.01], [1, 1]), noise)).toBe(false);
  expect(beyondNoise(pairedRatio([1.2, 1.2], [1, 1]), noise)).toBe(true);
  expect(beyondNoise(pairedRatio([0.8, 0.8], [1, 1]), noise)).toBe(true);
});

test("over as many rounds as there are setups, each is first once and last once", () => {
  const all = ["a", "b", "c"];
  const rounds = [0, 1, 2].map((round) => rotated(all, round));
  expect(rounds.map(([first]) => first).sort()).toEqual(all);
  expect(rounds.map((round) => round.at(-1)).sort()).toEqual(all);
});
