// SPDX-License-Identifier: Apache-2.0
// The comparison of two agents' maps: numbers that an agent gives out as it likes make no difference, everything else does.
import { expect, test } from "vitest";
import { type FrontendEntry, frontendId, type KernelState } from "../../../agent/core/operation.ts";
import { differences, resolved } from "./service-contents.ts";

const TCP = 6;
const backend = (address: string) => ({ address, port: 8080, protocol: TCP }) as const;

/** One frontend, whose selection, extent and backends have numbers from `first` on. */
function state(first: number, addresses: readonly string[], outside = addresses): KernelState {
  const key = { address: "100.64.1.0", port: 80, protocol: TCP } as const;
  const both = [addresses, outside] as const;
  const extents = new Map(both.map((all, at) => [first + 100 * at, all.map((_, index) => first + 10 * at + index)]));
  const entry = { selection: first, externalSelection: first + 1 } as FrontendEntry;
  return {
    frontends: new Map([[frontendId(key), { key, entry }]]),
    selections: new Map(
      both.map((all, at) => [first + at, { offset: first + 100 * at, count: all.length, generation: first }]),
    ),
    extents,
    backends: new Map(both.flatMap((all, at) => all.map((one, index) => [first + 10 * at + index, backend(one)]))),
    sourceRanges: new Map(),
  };
}

test("the same backends in another order and under other numbers are no difference", () => {
  const [a, b] = [resolved(state(1, ["10.0.0.1", "10.0.0.2"])), resolved(state(40, ["10.0.0.2", "10.0.0.1"]))];
  expect(differences(a, b)).toEqual([]);
  expect(a).toMatchObject({ frontends: 1, backends: 4, endpoints: 2 });
});

test.each([
  ["another backend", state(1, ["10.0.0.1", "10.0.0.3"])],
  ["one backend less", state(1, ["10.0.0.1"])],
  ["another backend for clients from outside", state(1, ["10.0.0.1", "10.0.0.2"], ["10.0.0.1"])],
  ["a backend that is in no map", { ...state(1, ["10.0.0.1", "10.0.0.2"]), backends: new Map() }],
  ["no frontend", { ...state(1, []), frontends: new Map() }],
])("%s is a difference, told with its frontend", (_what, other) => {
  const [one, ...more] = differences(resolved(state(1, ["10.0.0.1", "10.0.0.2"])), resolved(other));
  expect(one).toContain("100.64.1.0/80");
  expect(more).toEqual([]);
});
