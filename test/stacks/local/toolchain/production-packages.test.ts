// SPDX-License-Identifier: Apache-2.0
// Shows which npm packages go into the agent's image.

import { expect, test } from "vitest";
import { closure, productionPackages } from "../../../../stacks/local/toolchain/production-packages.ts";

const lock = {
  packages: {
    "node_modules/a": { dependencies: { b: "1" }, optionalDependencies: { "a-linux": "1", "a-darwin": "1" } },
    "node_modules/b": { dependencies: { a: "1" } },
    "node_modules/a-linux": {},
    "node_modules/c": {},
  },
};

test("a package brings what it needs, and of the optional ones those that are installed", () => {
  expect(closure(lock, ["a"], (name) => name === "a-linux")).toEqual(["a", "a-linux", "b"]);
});

test("a package that the lock file does not know is an error", () => {
  expect(() => closure(lock, ["d"], () => true)).toThrow("does not name d");
});

test("the agent's image has the FFI's binary for Linux and no Pulumi", async () => {
  const names = await productionPackages(["koffi", "prom-client", "commander"]);
  expect(names).toContain("@koromix/koffi-linux-x64");
  expect(names.filter((name) => name.startsWith("@pulumi/"))).toEqual([]);
});
