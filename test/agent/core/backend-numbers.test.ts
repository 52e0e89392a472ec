// SPDX-License-Identifier: Apache-2.0
// The hash table of backends against a plain Map, over random writes and deletions of few backends, so that probes run into one another.

import fc from "fast-check";
import { expect, test } from "vitest";
import { BackendNumbers } from "../../../agent/core/backend-numbers.ts";
import { type Backend, backendId } from "../../../agent/core/operation.ts";

const backend: fc.Arbitrary<Backend> = fc.record({
  address: fc.constantFrom("10.0.0.1", "10.0.0.2", "10.0.1.1", "fd00::1"),
  port: fc.integer({ min: 1, max: 12 }),
  protocol: fc.constantFrom(6, 17),
});
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ backend, number: fc.nat({ max: 2 ** 32 - 1 }) }) },
  { weight: 2, arbitrary: fc.record({ backend, number: fc.constant(undefined) }) },
);

test("holds after each write and deletion what a plain map holds", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 100, maxLength: 200 }), (steps) => {
      const [table, model] = [new BackendNumbers(), new Map<string, { backend: Backend; number: number }>()];
      for (const { backend, number } of steps) {
        if (number === undefined) {
          table.delete(backend);
          model.delete(backendId(backend));
        } else {
          table.set(backend, number);
          model.set(backendId(backend), { backend, number });
        }
        expect(table.size).toBe(model.size);
        expect(table.get({ ...backend })).toBe(number);
        const lost = [...model.values()].filter((held) => table.get({ ...held.backend }) !== held.number);
        expect(lost).toEqual([]);
      }
    }),
  );
});
