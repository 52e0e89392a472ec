// SPDX-License-Identifier: Apache-2.0
// Reads the tree of keys, with their types, out of the upstream chart's values.yaml and values.schema.json.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import type { KeyTree } from "../../../components/internal/cilium/known-keys.ts";

/** The upstream chart's files lie beside the clone, not in it. */
export const upstreamFolder = join(import.meta.dirname, "..", "..", "..", "..", "shared", "cilium");
export const upstreamMissing = !existsSync(join(upstreamFolder, "values-1.20.0.yaml"));
export const upstreamReason = `needs the upstream chart's values-1.20.0.yaml and values-1.20.0.schema.json in ${upstreamFolder}`;

/** Without the name of its dialect, which validators do not have at hand. */
export function upstreamSchema(): Record<string, unknown> {
  const { $schema: _dialect, ...schema } = JSON.parse(
    readFileSync(join(upstreamFolder, "values-1.20.0.schema.json"), "utf8"),
  );
  return schema;
}

/** Kubernetes' own structures, and maps with keys of the user's choice: any key may stand there. */
const open = new Set([
  "affinity",
  "annotations",
  "autoCreateCiliumPodIPPools",
  "customCalls",
  "hard",
  "labels",
  "limits",
  "matchLabels",
  "nodeSelector",
  "podAnnotations",
  "podLabels",
  "podSecurityContext",
  "requests",
  "resources",
  "securityContext",
  "updateStrategy",
]);

/** Words of prose that a commented line of the file begins with. */
const prose =
  /^(ref|Ref|See|WARNING|Note|Example|Deprecated|nodes|limit|burst|operator|value|effect|default|namespace)$/;

/** Where commented keys of another section than the one above them belong. */
const moved: Readonly<Record<string, string>> = { config: "ipMasqAgent" };

interface SchemaNode {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
}

const isTree = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function typesOf(schema: SchemaNode | undefined): string {
  if (schema?.type === undefined) return "any";
  return typeof schema.type === "string" ? schema.type : [...schema.type].sort().join("|");
}

function treeOf(values: Record<string, unknown>, schema: SchemaNode | undefined): KeyTree {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => {
      const below = schema?.properties?.[key];
      const closed = isTree(value) && Object.keys(value).length > 0 && !open.has(key);
      return [key, closed ? treeOf(value, below) : typesOf(below)];
    }),
  );
}

/** Keys that the file shows as comments, such as `  # hostNamespaceOnly: false`, with the path of the tree they are in. */
function commentedKeys(text: string): string[][] {
  const found: string[][] = [];
  const sections: { indent: number; key: string }[] = [];
  let [inSchema, afterEmpty] = [false, -1];
  for (const line of text.split("\n")) {
    if (/^\s*# @schema@?\s*$/.test(line)) inSchema = !inSchema;
    if (inSchema) continue;
    const real = /^( *)([\w./-]+):(.*)$/.exec(line);
    const indent = line.length - line.trimStart().length;
    if (real !== null) {
      while ((sections.at(-1)?.indent ?? -1) >= indent) sections.pop();
      sections.push({ indent, key: real[2] ?? "" });
      afterEmpty = /^ *(\{\}|\[\]) *$/.test(real[3] ?? "") ? indent : -1;
      continue;
    }
    const key = /^ *# ?([A-Za-z]\w*):(?: |$)/.exec(line)?.[1];
    if (key === undefined || prose.test(key) || indent === afterEmpty) continue;
    const path = sections.filter((section) => section.indent < indent).map((section) => section.key);
    const other = path.length === 0 ? moved[key] : undefined;
    found.push([...(other === undefined ? path : [other]), key]);
  }
  return found;
}

/** The tree of all keys: a type, such as `boolean|null`, or a tree below. `object` takes any keys. */
export function chartKeys(): KeyTree {
  const text = readFileSync(join(upstreamFolder, "values-1.20.0.yaml"), "utf8");
  const tree = treeOf(parse(text), upstreamSchema()) as Record<string, unknown>;
  for (const path of commentedKeys(text)) {
    let node: unknown = tree;
    for (const key of path.slice(0, -1)) node = isTree(node) ? node[key] : undefined;
    const last = path.at(-1) ?? "";
    if (isTree(node) && node[last] === undefined) node[last] = "any";
  }
  return tree as KeyTree;
}
