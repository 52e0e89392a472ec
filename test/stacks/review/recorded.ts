// SPDX-License-Identifier: Apache-2.0
// Previews of the real engine, kept as files: `SANSPROXY_RECORD=1` makes test/plugins/review.test.ts write them again.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const folder = join(import.meta.dirname, "previews");
/** A host's script says nothing to a review beyond its variables. */
const longestText = 1_500;

/** What differs from one recording to the next, and from one machine to another. */
const noise: ReadonlySet<string> = new Set([
  "sourcePosition",
  "stackTrace",
  "created",
  "modified",
  "duration",
  "replaceOnChanges",
]);

/** Whether this run keeps the previews that it makes. */
export const recording = process.env["SANSPROXY_RECORD"] === "1";

/** Keeps a preview; `places` are folders of this run, with the names that stand for them. */
export function record(name: string, preview: string, places: Readonly<Record<string, string>>): void {
  const digest: unknown = JSON.parse(preview.slice(preview.search(/^\{/m)), (key, value: unknown) => {
    if (noise.has(key)) return undefined;
    if (typeof value !== "string") return value;
    const placed = Object.entries(places).reduce((text, [place, stands]) => text.replaceAll(place, stands), value);
    return placed.length > longestText ? `${placed.slice(0, longestText)}\n# (the script goes on)\n` : placed;
  });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(digest, undefined, 1)}\n`);
}

/** A kept preview. */
export function recordedPreview(name: string): string {
  return readFileSync(join(folder, `${name}.json`), "utf8");
}
