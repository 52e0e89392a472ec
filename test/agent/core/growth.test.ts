// SPDX-License-Identifier: Apache-2.0
// Checks when maps grow and how far, and that what may be given is enough for what is needed.

import fc from "fast-check";
import { expect, test } from "vitest";
import { budgetOf } from "../../../agent/core/admission.ts";
import { grownCapacity, grownLruEntries, keptByLru } from "../../../agent/core/growth.ts";
import type { Capacity } from "../../../agent/core/operation.ts";

const CAPACITY: Capacity = { frontends: 100, selections: 129, arena: 800, backends: 129, sourceRanges: 100 };
const NOTHING: Capacity = { frontends: 0, selections: 0, arena: 0, backends: 0, sourceRanges: 0 };
const bytesOf = ({ frontends, selections, arena, backends, sourceRanges }: Capacity) =>
  frontends + selections + arena + backends + sourceRanges;
const PLENTY = { bytesOf, limitBytes: 1e12 };

test("nothing grows up to a fill of 80 %, and above it what is too full doubles until it is half empty", () => {
  expect(grownCapacity({ ...NOTHING, frontends: 80 }, CAPACITY, PLENTY)).toBeUndefined();
  expect(grownCapacity({ ...NOTHING, frontends: 81 }, CAPACITY, PLENTY)).toEqual({ ...CAPACITY, frontends: 200 });
  expect(grownCapacity({ ...NOTHING, frontends: 900 }, CAPACITY, PLENTY)).toEqual({ ...CAPACITY, frontends: 3200 });
});

test("where room to spare takes too much memory, just enough is given, and else nothing", () => {
  const needs = { ...NOTHING, frontends: 190 };
  const at = (limitBytes: number) => grownCapacity(needs, CAPACITY, { bytesOf, limitBytes });
  expect(at(bytesOf(CAPACITY) + 300)?.frontends).toBe(400);
  expect(at(bytesOf(CAPACITY) + 299)?.frontends).toBe(200);
  expect(at(bytesOf(CAPACITY) + 99)).toBeUndefined();
});

test("what is given always suffices, never shrinks, and never takes more memory than it may", () => {
  const needs = fc.record({
    frontends: fc.nat(100_000),
    selections: fc.nat(100_000),
    arena: fc.nat(1_000_000),
    backends: fc.nat(200_000),
    sourceRanges: fc.nat(100_000),
  });
  fc.assert(
    fc.property(needs, fc.nat(10_000_000), (asked, limitBytes) => {
      const grown = grownCapacity(asked, CAPACITY, { bytesOf, limitBytes });
      if (!grown) return;
      expect(bytesOf(grown)).toBeLessThanOrEqual(limitBytes);
      for (const map of Object.keys(asked) as (keyof Capacity)[]) {
        expect(budgetOf(grown)[map]).toBeGreaterThanOrEqual(asked[map]);
        expect(grown[map]).toBeGreaterThanOrEqual(CAPACITY[map]);
      }
    }),
  );
});

test("a map of the least recently used is as large as what it holds whichever CPUs enter, and grows by that", () => {
  const entries = { flows: 8192, fragments: 1024 };
  const memory = { bytesOf: () => 0, limitBytes: 1 };
  const grown = (needs: typeof entries, cpus: number) => grownLruEntries(needs, entries, cpus, memory);
  expect(keptByLru(1024, 2)).toBe(768);
  expect(grown({ flows: 6348, fragments: 614 }, 2)).toBeUndefined();
  expect(grown({ flows: 6348, fragments: 615 }, 2)).toEqual({ flows: 8192, fragments: 2048 });
  expect(grown({ flows: 0, fragments: 0 }, 64)).toBeUndefined();
  expect(grown({ flows: 1, fragments: 0 }, 64)).toEqual({ flows: 16_384, fragments: 1024 });
});
