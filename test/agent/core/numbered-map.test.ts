// SPDX-License-Identifier: Apache-2.0
// Proves that a map by number is what a map with the same keys in order is.

import fc from "fast-check";
import { expect, test } from "vitest";
import { NumberedMap } from "../../../agent/core/numbered-map.ts";

const step = fc.record({ what: fc.constantFrom("set", "set", "set", "delete", "clear"), number: fc.nat(20) });

test("holds what a map holds, by number", () => {
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const numbered = new NumberedMap<{ readonly step: number }>();
      const plain = new Map<number, { readonly step: number }>();
      for (const [index, { what, number }] of steps.entries()) {
        if (what === "set") for (const map of [numbered, plain]) map.set(number, { step: index });
        else if (what === "delete") for (const map of [numbered, plain]) map.delete(number);
        else for (const map of [numbered, plain]) map.clear();
        expect(numbered.size).toBe(plain.size);
        expect(numbered.get(number)).toEqual(plain.get(number));
        expect(numbered.has(number)).toBe(plain.has(number));
      }
      const expected = [...plain].sort(([a], [b]) => a - b);
      expect([...numbered]).toEqual(expected);
      expect([...numbered.keys()]).toEqual(expected.map(([number]) => number));
      expect([...numbered.values()]).toEqual(expected.map(([, value]) => value));
      const seen: unknown[] = [];
      numbered.forEach((value, number) => {
        seen.push([number, value]);
      });
      expect(seen).toEqual(expected);
    }),
  );
});
