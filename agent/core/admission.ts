// SPDX-License-Identifier: Apache-2.0
// Decides which Services fit into the maps: the oldest first, each whole or not at all, from the objects and sizes alone.

import { extentSize } from "./arena.ts";
import type { DesiredService } from "./desired-state.ts";
import { backendId, type Capacity } from "./operation.ts";
import { type Problem, type ProblemReason, titleOf } from "./problem.ts";

export interface Admission {
  readonly admitted: readonly DesiredService[];
  readonly refused: readonly Problem[];
}

export const MAX_ENDPOINTS_PER_SELECTION = 65_535;

/**
 * What may be in steady use. A change is written beside what it replaces and the old cells are free again only after a
 * grace, so an eighth of most stays in reserve. Index 0 of selections and backends is never used.
 */
export function budgetOf(capacity: Capacity): Capacity {
  const withReserve = (size: number) => size - Math.ceil(size / 8);
  return {
    frontends: capacity.frontends,
    selections: Math.max(0, withReserve(capacity.selections - 1)),
    arena: withReserve(capacity.arena),
    backends: Math.max(0, withReserve(capacity.backends - 1)),
    // All of them may be replaced at once, and the new ones are written before the old ones go.
    sourceRanges: Math.floor(capacity.sourceRanges / 2),
  };
}

export function admit(services: readonly DesiredService[], capacity: Capacity): Admission {
  const budget = budgetOf(capacity);
  const used = { frontends: 0, selections: 0, arena: 0, sourceRanges: 0 };
  const backends = new Set<string>();
  const extents = new Set<string>();
  const admitted: DesiredService[] = [];
  const refused: Problem[] = [];

  for (const service of services) {
    const newBackends = new Set<string>();
    const newExtents = new Map<string, number>();
    let longest = 0;
    for (const selection of service.selections) {
      longest = Math.max(longest, selection.backends.length);
      if (selection.backends.length === 0 || extents.has(selection.contents)) continue;
      newExtents.set(selection.contents, extentSize(selection.backends.length));
      for (const backend of selection.backends) {
        const id = backendId(backend);
        if (!backends.has(id)) newBackends.add(id);
      }
    }
    const cells = [...newExtents.values()].reduce((sum, size) => sum + size, 0);
    const lacking: [ProblemReason, string, boolean][] = [
      ["TooManyEndpoints", "it has more than 65,535 endpoints on one port", longest > MAX_ENDPOINTS_PER_SELECTION],
      ["FrontendsFull", "the frontends map is full", used.frontends + service.frontends.length > budget.frontends],
      ["SelectionsFull", "the selections map is full", used.selections + service.selections.length > budget.selections],
      [
        "SourceRangesFull",
        "the source ranges map is full",
        used.sourceRanges + service.sourceRanges.length > budget.sourceRanges,
      ],
      ["BackendsFull", "the backends map is full", backends.size + newBackends.size > budget.backends],
      ["ArenaFull", "the arena of endpoint lists is full", used.arena + cells > budget.arena],
    ];
    const hindrance = lacking.find(([, , lacks]) => lacks);
    if (hindrance) {
      const [reason, why] = hindrance;
      const message = `${titleOf(service.name)} is not served, because ${why}; remove Services or enlarge the maps. All others are served.`;
      refused.push({ service: service.name, reason, message });
      continue;
    }
    used.frontends += service.frontends.length;
    used.selections += service.selections.length;
    used.arena += cells;
    used.sourceRanges += service.sourceRanges.length;
    for (const id of newBackends) backends.add(id);
    for (const contents of newExtents.keys()) extents.add(contents);
    admitted.push(service);
  }
  return { admitted, refused };
}
