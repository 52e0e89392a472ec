// SPDX-License-Identifier: Apache-2.0
// Gathers everything that a review says from one preview.

import { type Effect, worse } from "../../components/internal/value-effects.ts";
import { type MemoryChange, memoryChange } from "./map-memory.ts";
import { type Member, members } from "./nodes.ts";
import { type PolicyResults, policyResults } from "./policy-results.ts";
import type { Preview } from "./preview.ts";
import { type Rollback, rollback } from "./rollback.ts";
import { type DatapathChange, datapathChanges } from "./values.ts";

/** A review, as data. */
export interface Review {
  readonly preview: Preview;
  /** The worst that happens to traffic. */
  readonly effect: Effect;
  /** How many resources change. */
  readonly moving: number;
  readonly members: readonly Member[];
  readonly datapaths: readonly { readonly change: DatapathChange; readonly memory: MemoryChange | undefined }[];
  readonly policy: PolicyResults;
  readonly rollback: Rollback;
}

/** Reviews a preview. */
export function reviewOf(preview: Preview): Review {
  const { changes } = preview;
  const nodes = members(changes);
  const datapaths = datapathChanges(changes);
  const all: readonly Effect[] = [
    ...nodes.map(({ effect }) => effect),
    ...datapaths.flatMap(({ values }) => values.map(({ effect }) => effect)),
    // Hidden values may be any.
    ...datapaths.filter((of) => of.hidden && of.change.operation === "update").map((): Effect => "flows-reset"),
  ];
  const effect = all.reduce<Effect>(worse, "none");
  return {
    preview,
    effect,
    moving: changes.filter(({ operation, type }) => operation !== "same" && type !== "pulumi:pulumi:Stack").length,
    members: nodes,
    datapaths: datapaths.map((change) => ({ change, memory: memoryChange(preview, change) })),
    policy: policyResults(preview),
    rollback: rollback(changes, nodes, datapaths, effect),
  };
}
