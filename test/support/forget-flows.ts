// SPDX-License-Identifier: Apache-2.0
// Empties the state of flows between two tests or trials, as programs never do: what they have copied of it is over, too.
import type { HashMap } from "../../agent/shell/kernel/hash-map.ts";
import type { MappedArray } from "../../agent/shell/kernel/mapped-array.ts";

export function forgetFlows(flows: HashMap, turns: MappedArray): void {
  for (const [key] of [...flows.walk()]) flows.delete(key);
  for (const { words } of turns.scan()) for (const [at, turn] of words.entries()) words[at] = turn + 1n;
}
