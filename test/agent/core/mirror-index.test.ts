// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import { expect, test } from "vitest";
import { MirrorIndex } from "../../../agent/core/mirror-index.ts";
import type { Backend } from "../../../agent/core/operation.ts";

const backend = (id: number): Backend => ({ address: `10.0.${id >> 8}.${id & 255}`, port: 80, protocol: 6 });

test("finds the lowest free backend id from any on, whatever was written and removed before", () => {
  const id = fc.integer({ min: 1, max: 40 }).map((each) => (each > 30 ? each * 100 : each));
  fc.assert(
    fc.property(fc.array(fc.record({ id, from: id }), { maxLength: 60 }), (turns) => {
      const index = new MirrorIndex();
      const used = new Set<number>();
      for (const { id, from } of turns) {
        if (used.delete(id)) {
          index.removeBackend(id, backend(id));
        } else {
          used.add(id);
          index.addBackend(id, backend(id));
        }
        for (const start of [1, from]) {
          let free = start;
          while (used.has(free)) free++;
          expect(index.freeBackendFrom(start)).toBe(free);
        }
      }
    }),
  );
});
