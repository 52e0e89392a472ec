// SPDX-License-Identifier: Apache-2.0
// Draws the stack in Mermaid: its parts, what becomes of each, and which waits for which.

import { type Change, dependenciesOf, type Operation, type Preview } from "./preview.ts";

interface Box {
  readonly top: Change;
  readonly inside: Change[];
}

const stackType = "pulumi:pulumi:Stack";
/** A provider that nobody declared: every resource of its kind has it. */
const isDefaultProvider = ({ type, name }: Change): boolean =>
  type.startsWith("pulumi:providers:") && name.startsWith("default");
const stateOf = (change: Change) => change.after ?? change.before;

/** Each part of the program: what it declared itself, with all that this is made of. */
function boxesOf({ changes }: Preview): Map<Change, Box> {
  const byUrn = new Map(changes.map((change) => [change.urn, change]));
  const topOf = (change: Change): Change => {
    const parent = byUrn.get(stateOf(change)?.parent ?? "");
    return parent === undefined || parent.type === stackType ? change : topOf(parent);
  };
  const boxes = new Map<Change, Box>();
  for (const change of changes) {
    if (change.type === stackType || isDefaultProvider(change)) continue;
    const top = topOf(change);
    const box = boxes.get(top) ?? { top, inside: [] };
    if (change !== top) box.inside.push(change);
    boxes.set(top, box);
  }
  return boxes;
}

/** What becomes of a part: of its pieces, the greatest change. */
function fate({ top, inside }: Box): Operation {
  if (top.operation === "create" || top.operation === "delete") return top.operation;
  const order: readonly Operation[] = ["replace", "update", "create", "delete"];
  const all = [top, ...inside].map(({ operation }) => operation);
  const found = order.find((operation) => all.includes(operation));
  return found === undefined ? "same" : found === "replace" ? "replace" : "update";
}

/** Mermaid ends a label at a quotation mark, and reads entities. */
const label = (text: string): string => text.replaceAll(/["<>&#]/g, (char) => `#${char.charCodeAt(0)};`);

const styles: Readonly<Record<Operation, string>> = {
  create: "fill:#dafbe1,stroke:#1a7f37,color:#000",
  update: "fill:#fff8c5,stroke:#9a6700,color:#000",
  replace: "fill:#ffebe9,stroke:#cf222e,color:#000",
  delete: "fill:#ffebe9,stroke:#cf222e,color:#000,stroke-dasharray:4",
  same: "fill:#f6f8fa,stroke:#656d76,color:#000",
};

const words: Readonly<Record<Operation, string>> = {
  create: "new",
  update: "changed",
  replace: "replaced",
  delete: "removed",
  same: "unchanged",
};

/** The largest picture that a reader can follow. */
const largest = 40;

/** The picture, or `undefined` where it would have too many parts to say anything. */
export function picture(preview: Preview): string | undefined {
  const boxes = [...boxesOf(preview).values()];
  if (boxes.length === 0 || boxes.length > largest) return undefined;
  const ids = new Map(boxes.map((box, index) => [box, `p${index}`]));
  const ofUrn = new Map(boxes.flatMap((box) => [box.top, ...box.inside].map((change) => [change.urn, box] as const)));
  const edges = new Set<string>();
  for (const box of boxes) {
    for (const change of [box.top, ...box.inside]) {
      for (const urn of dependenciesOf(stateOf(change))) {
        const from = ofUrn.get(urn);
        if (from !== undefined && from !== box) edges.add(`  ${ids.get(from)} --> ${ids.get(box)}`);
      }
    }
  }
  const used = new Set(boxes.map(fate));
  return [
    "flowchart LR",
    ...boxes.map((box) => {
      const { top, inside } = box;
      const kind = top.type.split(":").at(-1) ?? "";
      const count = inside.length === 0 ? "" : `, ${inside.length} part${inside.length === 1 ? "" : "s"}`;
      const operation = fate(box);
      return `  ${ids.get(box)}["${label(top.name)}<br/>${label(kind)}${count}: ${words[operation]}"]:::${operation}Part`;
    }),
    ...[...edges].sort(),
    ...[...used].sort().map((operation) => `  classDef ${operation}Part ${styles[operation]}`),
  ].join("\n");
}
