// SPDX-License-Identifier: Apache-2.0
// Puts the steps of an update into the order that their dependencies force.

import { type Change, dependenciesOf, type Preview } from "./preview.ts";

/** Steps that can run at the same time. */
export type Wave = readonly Change[];

const moves = ({ operation, type }: Change): boolean => operation !== "same" && type !== "pulumi:pulumi:Stack";
const isComponent = ({ before, after }: Change): boolean => (after ?? before)?.custom === false;

/** How many changes, one after the other, stand before each; what stays counts for nothing, and hands on what it waits for. */
function depths(changes: readonly Change[], before: (change: Change) => readonly Change[]): Map<Change, number> {
  const found = new Map<Change, number>();
  const visit = (change: Change): number => {
    const known = found.get(change);
    if (known !== undefined) return known;
    // Dependencies of a stack have no cycle; the mark keeps a damaged preview from looping.
    found.set(change, 0);
    const depth = Math.max(0, ...before(change).map((of) => visit(of) + (moves(of) ? 1 : 0)));
    found.set(change, depth);
    return depth;
  };
  for (const change of changes) visit(change);
  return found;
}

function inWaves(changes: readonly Change[], depth: ReadonlyMap<Change, number>): Wave[] {
  const waves: Change[][] = [];
  for (const change of changes) {
    const index = depth.get(change) ?? 0;
    waves[index] = [...(waves[index] ?? []), change];
  }
  return waves.filter((wave) => wave !== undefined && wave.length > 0);
}

/** What is created, changed and replaced, in waves; then what is deleted, users before what they use. */
export function stepsInOrder({ changes }: Preview): { readonly forward: Wave[]; readonly deletions: Wave[] } {
  const byUrn = new Map(changes.map((change) => [change.urn, change]));
  const waitsFor = (change: Change): Change[] =>
    dependenciesOf(change.after ?? change.before).flatMap((urn) => byUrn.get(urn) ?? []);
  const steps = changes.filter((change) => moves(change) && !isComponent(change));
  const forward = steps.filter(({ operation }) => operation !== "delete");
  const deletions = steps.filter(({ operation }) => operation === "delete");
  const users = new Map<Change, Change[]>();
  for (const change of deletions) {
    for (const used of waitsFor(change)) users.set(used, [...(users.get(used) ?? []), change]);
  }
  return {
    forward: inWaves(forward, depths(changes, waitsFor)),
    deletions: inWaves(
      deletions,
      depths(deletions, (change) => users.get(change) ?? []),
    ),
  };
}
