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

test("a backend of UDP is idle once it is marked as gone, also where the mark was found in the maps", () => {
  const dns: Backend = { address: "10.0.0.9", port: 53, protocol: 17 };
  const mirror = new KernelMirror(holding([]), 0);
  mirror.record({ kind: "write-backend", id: 9, backend: dns }, 0);
  expect([mirror.nextReleaseAt(), ...mirror.leftBackends]).toEqual([undefined, 9]);
  mirror.record({ kind: "mark-backend", id: 9, gone: true }, 100);
  expect([mirror.nextReleaseAt(), ...mirror.leftBackends]).toEqual([100 + GRACE_MS]);
  mirror.record({ kind: "mark-backend", id: 9, gone: false }, 200);
  expect([mirror.nextReleaseAt(), ...mirror.leftBackends]).toEqual([undefined, 9]);
  mirror.adopt({ ...holding([]), backends: new Map([[9, { ...dns, gone: true }]]) }, 300);
  expect([mirror.nextReleaseAt(), ...mirror.leftBackends]).toEqual([300 + GRACE_MS]);
});

test("a backend that a frontend leads to is not marked", () => {
  const key = { address: "10.96.0.1", port: 53, protocol: 17 } as const;
  const mirror = new KernelMirror(holding([]), 0);
  const [selection, entry] = [
    { offset: 0, count: 1, generation: 1 },
    { selection: 1, externalSelection: 1, noEndpoint: "reject", affinitySeconds: 0, sourceRanges: false } as const,
  ];
  mirror.record({ kind: "write-backend", id: 9, backend: { address: "10.0.0.9", port: 53, protocol: 17 } }, 0);
  mirror.record({ kind: "write-extent", offset: 0, backendIds: [9] }, 0);
  mirror.record({ kind: "flip-selection", id: 1, selection }, 0);
  expect([...mirror.leftBackends]).toEqual([9]);
  mirror.record({ kind: "upsert-frontend", key, entry: { ...entry, service: 7, scope: "external" } }, 0);
  expect([...mirror.leftBackends]).toEqual([]);
  expect(mirror.objection({ kind: "mark-backend", id: 9, gone: true })).toBe("a frontend leads to backend 9");
  mirror.record({ kind: "delete-frontend", key }, 0);
  expect([...mirror.leftBackends]).toEqual([9]);
  expect(mirror.objection({ kind: "mark-backend", id: 9, gone: true })).toBeUndefined();
  expect(mirror.objection({ kind: "mark-backend", id: 8, gone: true })).toBe("backend 8 is not written");
});

test("what is found in the maps by others is idle from then on, behind what was idle before", () => {
  const mirror = new KernelMirror(holding([2]), 0);
  mirror.adopt(holding([1, 2]), 500);
  expect(mirror.nextReleaseAt()).toBe(GRACE_MS);
  expect([...idleForGrace(mirror.idleBackends, GRACE_MS)]).toEqual([2]);
  expect([...idleForGrace(mirror.idleBackends, 500 + GRACE_MS)]).toEqual([2, 1]);
});
