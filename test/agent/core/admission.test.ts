// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { admit } from "../../../agent/core/admission.ts";
import type { DesiredService } from "../../../agent/core/desired-state.ts";
import type { Backend } from "../../../agent/core/operation.ts";
import { finish } from "../../../agent/core/steps.ts";

const roomy = { frontends: 100, selections: 100, arena: 1_000_000, backends: 1_000_000, sourceRanges: 100 };

const withEndpoints = (name: string, count: number): DesiredService => {
  const backends = Array.from({ length: count }, (_, i): Backend => {
    return { address: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, port: 80, protocol: 6 };
  });
  const selection = { key: `${name}/cluster`, servicePort: name, backends, cells: count, contents: name };
  return { name, frontends: [], selections: [selection], kept: [], sourceRanges: [] };
};

test("a Service that no map could hold is told to be divided, and takes no other's place", () => {
  const services = [withEndpoints("ns/huge", 65_536), withEndpoints("ns/large", 65_535)];
  const { admitted, refused } = finish(admit(services, roomy));
  expect(admitted.map(({ name }) => name)).toEqual(["ns/large"]);
  expect(refused.map(({ service, reason, message }) => [service, reason, message])).toEqual([
    [
      "ns/huge",
      "TooManyEndpoints",
      "Service ns/huge is not served, because it has more than 65,535 endpoints on one port; divide it into several Services. All others are served.",
    ],
  ]);
});

test("a Service for which a map has no room is told which map, and what to raise", () => {
  const { refused } = finish(admit([withEndpoints("ns/web", 3)], { ...roomy, backends: 2 }));
  expect(refused.map(({ message }) => message)).toEqual([
    "Service ns/web is not served, because the backends map is full; remove Services, or raise bpf.mapDynamicSizeRatio. All others are served.",
  ]);
});
