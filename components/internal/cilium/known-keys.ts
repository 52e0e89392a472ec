// SPDX-License-Identifier: Apache-2.0
// Finds values that Cilium's chart would accept and ignore: keys that it does not know, and values of a wrong type.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Values } from "../datapath-rules.ts";
import type { InputProblem } from "../input-errors.ts";
import { nearestName } from "../nearest-name.ts";
import { packageRoot } from "../package-root.ts";

/** The keys of a chart: each with its types, such as `boolean|null`, or with the tree below it. */
export interface KeyTree {
  readonly [key: string]: KeyTree | string;
}

const file = join(packageRoot, "components", "internal", "cilium", "known-keys-1.20.json");
let tree: KeyTree | undefined;

/** Every key of the chart 1.20 with its types; the chart's own schema lets unknown keys pass. */
export function knownKeys(): KeyTree {
  tree ??= JSON.parse(readFileSync(file, "utf8")) as KeyTree;
  return tree;
}

function typeOf(value: unknown): string {
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

function typeProblem(types: string, path: string, value: unknown): InputProblem[] {
  const allowed = types.split("|");
  const actual = typeOf(value);
  if (types === "any" || allowed.includes(actual) || (actual === "integer" && allowed.includes("number"))) return [];
  const named = allowed.filter((type) => type !== "null").join(" or ");
  return [
    {
      propertyPath: path,
      reason: `is ${JSON.stringify(value)}, which is ${actual}, and Cilium's chart takes ${named} here; write it as ${named}.`,
    },
  ];
}

/** The paths at which the last part of `key` is a key, shortest first. */
function placesOf(key: string, below: KeyTree, prefix = ""): string[] {
  return Object.entries(below)
    .flatMap(([name, child]) => [
      ...(name === key ? [`${prefix}${name}`] : []),
      ...(typeof child === "string" ? [] : placesOf(key, child, `${prefix}${name}.`)),
    ])
    .sort((a, b) => a.length - b.length);
}

function unknownKey(path: string, key: string, siblings: readonly string[]): InputProblem {
  const near = nearestName(key, siblings);
  const elsewhere = placesOf(key, knownKeys())[0];
  const remedy =
    near !== undefined
      ? `did you mean "${near}"?`
      : elsewhere !== undefined
        ? `did you mean "${elsewhere}"?`
        : "leave it out, or, if it is a setting of the agent, write it into extraConfig.";
  return {
    propertyPath: path,
    reason: `Cilium's chart knows no value "${key}" here and would ignore it silently; ${remedy}`,
  };
}

/**
 * What is wrong with the keys and types of `values`, with the path of each wrong place under `prefix`; `beside` are names
 * that are none of the chart's, and that may have been meant.
 */
export function keyProblems(
  prefix: string,
  values: Values,
  known: KeyTree = knownKeys(),
  beside: readonly string[] = [],
): InputProblem[] {
  return Object.entries(values).flatMap(([key, value]) => {
    const path = `${prefix}${key}`;
    // Helm takes null as "drop the chart's default", whatever its type.
    if (value === undefined || value === null) return [];
    const below = Object.hasOwn(known, key) ? known[key] : undefined;
    if (below === undefined) return [unknownKey(path, key, [...Object.keys(known), ...beside])];
    if (typeof below === "string") return typeProblem(below, path, value);
    if (typeOf(value) !== "object") return typeProblem("object", path, value);
    return keyProblems(`${path}.`, value as Values, below);
  });
}
