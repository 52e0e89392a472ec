// SPDX-License-Identifier: Apache-2.0
// Proves that counting only what differs between a Service's endpoints ends where counting all of it anew does.

import fc from "fast-check";
import { expect, test } from "vitest";
import { Demand } from "../../../agent/core/demand.ts";
import { type DesiredService, desiredState } from "../../../agent/core/desired-state.ts";
import { collection, NODE, slice, snapshot } from "./arbitrary-objects.ts";

test("a Service whose endpoints change needs what it would have needed with these from the start", () => {
  fc.assert(
    fc.property(snapshot, fc.array(slice, { maxLength: 10 }), (earlier, slices) => {
      const before = desiredState(earlier, NODE).services.filter(({ name }) => !name.startsWith("pod/"));
      const later = { ...earlier, endpointSlices: collection(slices) };
      const after = new Map(desiredState(later, NODE).services.map((each) => [each.name, each]));
      const [changed, fresh] = [new Demand(), new Demand()];
      for (const each of before) changed.add(each);
      for (const each of before) changed.replace(each, after.get(each.name) ?? each);
      for (const { name } of before) fresh.add(after.get(name) as DesiredService);
      expect(changed.needs).toEqual(fresh.needs);
      expect(changed.endpoints).toBe(fresh.endpoints);
      for (const each of [...before, ...after.values()].flatMap(({ kept }) => kept))
        expect(changed.has(each)).toBe(fresh.has(each));
    }),
  );
});
