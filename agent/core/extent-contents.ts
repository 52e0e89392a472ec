// SPDX-License-Identifier: Apache-2.0
// Reads from the cells of an extent which set of endpoints it offers, and that it is spread as it should be.

import { contentsOf } from "./load-balancing.ts";
import { MAGLEV_TABLE_SIZES, maglevTable } from "./maglev.ts";
import { type Backend, backendId } from "./operation.ts";

/** As `contentsOf` names it; undefined when a backend is absent, or the cells are neither a list nor the Maglev table of theirs. */
export function extentContents(cells: readonly number[], backends: ReadonlyMap<number, Backend>): string | undefined {
  const names = new Map<number, string>();
  for (const id of cells) {
    if (names.has(id)) continue;
    const backend = backends.get(id);
    if (!backend) return undefined;
    names.set(id, backendId(backend));
  }
  const sorted = [...names.values()].sort();
  if (sorted.length === cells.length) return contentsOf(sorted);
  if (!MAGLEV_TABLE_SIZES.includes(cells.length)) return undefined;
  const table = maglevTable(sorted, cells.length);
  const isTable = cells.every((id, cell) => names.get(id) === sorted[table[cell] ?? 0]);
  return isTable ? contentsOf(sorted, cells.length) : undefined;
}
