// SPDX-License-Identifier: Apache-2.0
// Proves that Maglev tables are even, do not depend on order, and are little disturbed by a backend that comes or goes.

import fc from "fast-check";
import { expect, test } from "vitest";
import { MAGLEV_TABLE_SIZES, maglevTable, maglevTableSize } from "../../../agent/core/maglev.ts";

const backend = fc
  .tuple(fc.nat(255), fc.nat(255), fc.integer({ min: 1, max: 65_535 }))
  .map(([third, fourth, port]) => `6/10.244.${third}.${fourth}/${port}`);
const backends = (min: number, max: number) => fc.uniqueArray(backend, { minLength: min, maxLength: max });
const names = (set: readonly string[], size: number) => [...maglevTable(set, size)].map((index) => set[index] ?? "");

/** The share of the cells that belonged to another backend than `gone` and belong to a third one once it is gone. */
function disturbedShare(set: readonly string[], gone: string, size: number): number {
  const before = names(set, size);
  const rest = set.filter((name) => name !== gone);
  const after = names(rest, size);
  return before.filter((name, cell) => name !== gone && name !== after[cell]).length / size;
}

test("each size is prime", () => {
  for (const size of MAGLEV_TABLE_SIZES)
    for (let divisor = 2; divisor * divisor <= size; divisor++) expect(size % divisor, `${size}`).not.toBe(0);
});

test("every backend has its share of the cells, to within one", () => {
  fc.assert(
    fc.property(backends(1, 60), fc.constantFrom(251, 1021, 4093), (set, size) => {
      const counts = new Map<string, number>();
      for (const name of names(set, size)) counts.set(name, (counts.get(name) ?? 0) + 1);
      expect(counts.size).toBe(set.length);
      const least = Math.floor(size / set.length);
      for (const count of counts.values()) expect(count === least || count === least + 1).toBe(true);
    }),
  );
});

test("over many sets, a backend that goes disturbs less than 5 % of the others' cells", () => {
  // A bound on each single set would be false: among few backends two whose orders run alike are rare, not impossible.
  const sets = fc.array(fc.tuple(backends(2, 40), fc.nat()), { minLength: 50, maxLength: 50 });
  fc.assert(
    fc.property(sets, (cases) => {
      const shares = cases.map(([set, pick]) => disturbedShare(set, set[pick % set.length] ?? "", 4093));
      expect(shares.reduce((sum, share) => sum + share, 0) / shares.length).toBeLessThan(0.05);
    }),
    { numRuns: 10 },
  );
});

test("with a table a hundred times its backends, one of forty that goes disturbs less than 5 % of the others' cells", () => {
  const set = Array.from({ length: 40 }, (_, index) => `6/10.244.0.${index}/8080`);
  for (const gone of set) expect(disturbedShare(set, gone, 4093), gone).toBeLessThan(0.05);
});

test("the size is the least prime that is large enough", () => {
  expect(maglevTableSize(3, 251)).toBe(251);
  expect(maglevTableSize(252, 251)).toBe(509);
  expect(maglevTableSize(1, 16_381)).toBe(16_381);
  expect(maglevTableSize(65_522, 251)).toBeUndefined();
});
