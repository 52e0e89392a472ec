// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { GRACE_MS, idleForGrace, KernelMirror } from "../../../agent/core/kernel-mirror.ts";
import type { Backend, KernelState } from "../../../agent/core/operation.ts";

const backend = (last: number): Backend => ({ address: `10.0.0.${last}`, port: 80, protocol: 6 });

const holding = (ids: readonly number[]): KernelState => ({
  frontends: new Map(),
  selections: new Map(),
  extents: new Map(),
  backends: new Map(ids.map((id) => [id, backend(id)])),
  sourceRanges: new Map(),
});

test("what becomes idle again waits for a whole grace, behind what has been idle for longer", () => {
  const mirror = new KernelMirror(holding([]), 0);
  mirror.record({ kind: "write-backend", id: 1, backend: backend(1) }, 0);
  mirror.record({ kind: "write-backend", id: 2, backend: backend(2) }, 100);
  mirror.record({ kind: "write-backend", id: 1, backend: backend(3) }, 200);
  expect(mirror.nextReleaseAt()).toBe(100 + GRACE_MS);
  expect([...idleForGrace(mirror.idleBackends, 100 + GRACE_MS)]).toEqual([2]);
  expect([...idleForGrace(mirror.idleBackends, 200 + GRACE_MS)]).toEqual([2, 1]);
});

test("what is found in the maps by others is idle from then on, behind what was idle before", () => {
  const mirror = new KernelMirror(holding([2]), 0);
  mirror.adopt(holding([1, 2]), 500);
  expect(mirror.nextReleaseAt()).toBe(GRACE_MS);
  expect([...idleForGrace(mirror.idleBackends, GRACE_MS)]).toEqual([2]);
  expect([...idleForGrace(mirror.idleBackends, 500 + GRACE_MS)]).toEqual([2, 1]);
});
