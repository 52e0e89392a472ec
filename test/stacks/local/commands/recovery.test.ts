// SPDX-License-Identifier: Apache-2.0
// Shows how a stack is made usable again after an interrupted update.

import { expect, test } from "vitest";
import { isHeld, withoutPending } from "../../../../stacks/local/commands/recovery.ts";

const lock = { pid: 7, username: "root", hostname: "box", timestamp: "2026-01-01T00:00:00Z" };

test("a lock counts while its process lives, and is stale when it is gone", () => {
  expect(isHeld(lock, "box", (pid) => pid === 7)).toBe(true);
  expect(isHeld(lock, "box", () => false)).toBe(false);
});

test("a lock of another box counts, for its process cannot be seen from here", () => {
  expect(isHeld(lock, "other", () => false)).toBe(true);
});

test("operations that never finished are dropped and named, and all else stays", () => {
  const exported = {
    version: 3,
    deployment: {
      manifest: { magic: "m" },
      resources: [{ urn: "urn:pulumi:local::sansproxy::t::kept" }],
      pending_operations: [{ type: "creating", resource: { urn: "urn:pulumi:local::sansproxy::t::machine-cp-1" } }],
    },
  };
  const { pending, rest } = withoutPending(JSON.stringify(exported));
  expect(pending).toEqual(["creating machine-cp-1"]);
  const { pending_operations: _, ...deployment } = exported.deployment;
  expect(JSON.parse(rest)).toEqual({ version: 3, deployment });
});

test("a stack without resources has nothing pending", () => {
  expect(withoutPending('{"version":3}').pending).toEqual([]);
});
