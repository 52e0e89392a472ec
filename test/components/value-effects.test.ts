// SPDX-License-Identifier: Apache-2.0
// Every value that this package sets, or that its users can choose, has been reviewed for what a change does to traffic.
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { type KeyTree, knownKeys } from "../../components/internal/cilium/known-keys.ts";
import { effectOf, reviewedKeys, versionEffect, worse } from "../../components/internal/value-effects.ts";

const root = resolve(import.meta.dirname, "../..");
const yaml = (path: string): object => parse(readFileSync(join(root, path), "utf8")) as object;

function leaves(value: unknown, path = ""): string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value) || Object.keys(value).length === 0)
    return [path];
  return Object.entries(value).flatMap(([key, child]) => leaves(child, path === "" ? key : `${path}.${key}`));
}
const keysOf = (tree: KeyTree, prefix = ""): string[] =>
  Object.entries(tree).flatMap(([key, child]) => [
    `${prefix}${key}`,
    ...(typeof child === "string" ? [] : keysOf(child, `${prefix}${key}.`)),
  ]);

const golden = "test/components/cilium/golden";
const agentKeys = leaves(yaml("agent/chart/values.yaml"));

describe("a value is reviewed", () => {
  test.each(readdirSync(join(root, golden)))("that Cilium gets in %s", (file) => {
    for (const path of leaves(yaml(join(golden, file))))
      expect(effectOf(path).why, path).not.toContain("nobody has reviewed");
  });

  test("that the agent has", () => {
    for (const path of agentKeys) expect(effectOf(path).why, path).not.toContain("nobody has reviewed");
  });

  test("that users choose by an option", () => {
    const source = readFileSync(join(root, "components/internal/datapath-options.ts"), "utf8");
    const options = source.slice(
      source.indexOf("export interface DatapathOptions"),
      source.indexOf("export interface ExpectedLoad"),
    );
    const names = [...options.matchAll(/^ {2}(\w+)\?:/gm)].map(([, name]) => name ?? "");
    expect(names.length).toBeGreaterThan(20);
    for (const name of names)
      expect(
        reviewedKeys.some((key) => key.split(".")[0] === name),
        name,
      ).toBe(true);
  });
});

test("each row is about a value that one of the charts knows", () => {
  const known = new Set([
    ...keysOf(knownKeys()),
    ...agentKeys.flatMap((path) => path.split(".").map((_, i, parts) => parts.slice(0, i + 1).join("."))),
  ]);
  expect(reviewedKeys.filter((key) => !known.has(key))).toEqual([]);
});

test("the nearest row holds, and what nobody reviewed is taken for a reset", () => {
  expect(effectOf("loadBalancer.algorithm").effect).toBe("new-flows");
  expect(effectOf("loadBalancer.mode").effect).toBe("flows-reset");
  expect(effectOf("hubble.relay.enabled").effect).toBe("none");
  expect(effectOf("extraConfig.anything")).toMatchObject({ effect: "flows-reset" });
  expect(worse("none", "node-restart")).toBe("node-restart");
  expect(versionEffect("v1.20.0", "1.20.4").effect).toBe("new-flows");
});
