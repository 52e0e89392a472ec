// SPDX-License-Identifier: Apache-2.0
// Keeps secrets out of a review, and finds those that a stack gives away.

import { type Change, hidden, isUnknown } from "./preview.ts";

/** What nobody but its owner may read, whatever it is called. */
const shapes: readonly (readonly [what: string, shape: RegExp])[] = [
  ["a private key", /-----BEGIN [A-Z ]*PRIVATE KEY-----/],
  ["a kubeconfig with its credentials", /client-key-data:|"client-key-data"|\n\s+token: \S{16,}/],
  ["a bootstrap token", /\b[a-z0-9]{6}\.[a-z0-9]{16}\b/],
  ["a token", /\beyJ[\w-]{4,}\.[\w-]{4,}\.[\w-]{4,}/],
  ["an access key", /\b(AKIA|ASIA)[A-Z0-9]{16}\b/],
];
/** Names of values that hold a secret, whatever it looks like. */
const secretName = /(password|secret|token|private_?key|client-?key|hash_?seed)$/i;
const longest = 120;

const shapeOf = (text: string): string | undefined => shapes.find(([, shape]) => shape.test(text))?.[0];

/** A value as it may be shown; `path` is where it stands. */
export function shownValue(path: string, value: unknown): string {
  if (value === undefined) return "—";
  if (isUnknown(value)) return "*known after the update*";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  if (text === hidden || secretName.test(path) || shapeOf(text) !== undefined) return "*secret*";
  const short = text.length > longest ? `${text.slice(0, longest)}…` : text;
  return code(short);
}

/** A text that no Markdown can escape from, in a table's cell. */
export function code(text: string): string {
  const line = text.replaceAll(/\s*\n\s*/g, " ⏎ ").replaceAll("|", "\\|");
  const fence = "`".repeat(Math.max(0, ...[...line.matchAll(/`+/g)].map(([run]) => run.length)) + 1);
  return fence.length === 1 ? `\`${line}\`` : `${fence} ${line} ${fence}`;
}

/** A name or a sentence as plain text of Markdown. */
export function plainText(text: string): string {
  if (shapeOf(text) !== undefined) return "*not shown, for it quotes a secret*";
  return text.replaceAll(/[\\`*_{}[\]<>|#@]/g, "\\$&").replaceAll(/\s*\n\s*/g, " ");
}

/** A secret that anybody can read who may read the stack's state or this preview. */
export interface Leak {
  readonly resource: string;
  readonly path: string;
  readonly what: string;
}

function leaksIn(value: unknown, path: string): { path: string; what: string }[] {
  if (typeof value === "string") {
    const what = shapeOf(value);
    return what === undefined ? [] : [{ path, what }];
  }
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, child]) => leaksIn(child, path === "" ? key : `${path}.${key}`));
}

/** The secrets among inputs and outputs that are not marked as such. */
export function leaks(changes: readonly Change[]): Leak[] {
  return changes.flatMap(({ name, type, after }) => [
    ...leaksIn(after?.inputs ?? {}, "").map((leak) => ({ resource: name, ...leak })),
    // Only a stack's own outputs are meant for readers; a resource's repeat its inputs.
    ...(type === "pulumi:pulumi:Stack" ? leaksIn(after?.outputs ?? {}, "output") : []).map((leak) => ({
      resource: name,
      ...leak,
    })),
  ]);
}
