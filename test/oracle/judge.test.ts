// SPDX-License-Identifier: Apache-2.0
// The judge sees every kind of difference, calls no right answer wrong, and asks on while an answer is still missing.
import { describe, expect, test } from "vitest";
import { enough, judge, summarize } from "./judge.ts";
import type { Expected, Fate, Observed } from "./probe.ts";

const to = (backend: string, sourceKept = true): Fate => ({ kind: "backend", backend, sourceKept });
const [refused, dropped, untouched] = (["refused", "dropped", "untouched"] as const).map((kind): Fate => ({ kind }));
if (refused === undefined || dropped === undefined || untouched === undefined) throw new Error("a fate is missing");
const times = (count: number, fate: Fate): Observed => new Array<Fate>(count).fill(fate);
const may = (more: Partial<Expected>): Expected => ({
  backends: [],
  verdicts: [],
  keepsSource: false,
  sticky: false,
  ranged: false,
  because: "",
  ...more,
});

const two = may({ backends: ["a:1", "b:1"] });
const sticky = may({ backends: ["a:1", "b:1"], sticky: true });
const shown = may({ backends: ["a:1"], keepsSource: true });
const none = may({ verdicts: ["refused"] });
const either = may({ backends: ["a:1"], verdicts: ["untouched"] });

describe("what was seen", () => {
  test.each<[string, Expected, Observed]>([
    ["every backend", two, [to("a:1"), to("b:1"), to("a:1")]],
    ["one backend under affinity", sticky, times(8, to("b:1"))],
    ["the client's address", shown, times(3, to("a:1"))],
    ["another source where nobody asks for the client's", two, [to("a:1", false), to("b:1", false)]],
    ["the verdict", none, times(3, refused)],
    ["a verdict that is as good as the backend", either, times(3, untouched)],
    ["the backend where a verdict is as good", either, times(3, to("a:1"))],
  ])("is right: %s", (_, expected, observed) => expect(judge(expected, observed)).toBeUndefined());

  test.each<[string, Expected, Observed, string]>([
    ["a backend that is none", two, [to("a:1"), to("c:1")], "went to c:1"],
    ["a verdict instead of a backend", two, [refused], "was refused"],
    ["another verdict", none, [dropped], "was dropped"],
    ["a backend where there is none", none, [to("a:1")], "went to a:1"],
    ["a backend never seen", two, times(400, to("a:1")), "never went to b:1"],
    ["another source", shown, [to("a:1"), to("a:1", false)], "went to a:1 without the client's address"],
    ["a change of backend under affinity", sticky, [to("a:1"), to("b:1")], "left its backend: a:1, b:1"],
    ["now a backend, now a verdict", either, [to("a:1"), untouched], "was treated in several ways: backend, untouched"],
  ])("is wrong: %s", (_, expected, observed, sentence) => expect(judge(expected, observed)).toBe(sentence));

  test("is counted by what became of it", () => {
    expect(summarize([to("a:1"), to("a:1", false), refused, refused])).toEqual({
      "a:1": 1,
      "a:1 (another source)": 1,
      refused: 2,
    });
  });
});

test.each<[string, Expected, Observed, boolean]>([
  ["nothing yet", two, [], false],
  ["a difference at once", two, [to("c:1")], true],
  ["few packets", none, times(2, refused), false],
  ["the same verdict a few times", none, times(3, refused), true],
  ["one backend of two", two, times(99, to("a:1")), false],
  ["both backends", two, [...times(5, to("a:1")), to("b:1")], true],
  ["affinity not yet sure", sticky, times(7, to("a:1")), false],
  ["affinity", sticky, times(8, to("a:1")), true],
])("more packets are sent until they could change nothing: %s", (_, expected, observed, done) =>
  expect(enough(expected, observed)).toBe(done),
);
