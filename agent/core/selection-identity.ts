// SPDX-License-Identifier: Apache-2.0
// Finds which selection index each desired selection already owns in the kernel, so that a change is one flip and a restart is none.

import { FreeIndices } from "./arena.ts";
import type { DesiredFrontend, DesiredSelection, DesiredService } from "./desired-state.ts";
import type { KernelMirror } from "./kernel-mirror.ts";
import { frontendId } from "./operation.ts";
import type { Steps } from "./steps.ts";

const SERVICES_OF_A_STEP = 128;

/**
 * Indices by selection key; a key without one did not fit. An index is kept when it already offers the right endpoints,
 * or when only frontends of the same selection (or former ones of the same Service port) use it: flipping it then
 * changes nobody else. Otherwise the selection moves to a fresh index, and its frontends follow one by one.
 */
export function* assignSelections(
  mirror: KernelMirror,
  services: readonly DesiredService[],
  ids: ReadonlyMap<string, number>,
  size: number,
): Steps<Map<string, number>> {
  const users = yield* usersOfIndices(mirror, services);
  const assigned = new Map<string, number>();
  const taken = new Set<number>();
  const homeless: DesiredSelection[] = [];

  for (const [position, service] of services.entries()) {
    if (position % SERVICES_OF_A_STEP === 0) yield;
    const candidates = new Map<string, Set<number>>();
    for (const frontend of service.frontends) {
      const held = mirror.frontends.get(frontendId(frontend.key))?.entry;
      if (held === undefined) continue;
      addTo(candidates, frontend.selection, held.selection);
      addTo(candidates, frontend.externalSelection, held.externalSelection);
    }
    for (const selection of service.selections) {
      const ownId = ids.get(selection.servicePort);
      const mayKeep = (index: number): boolean => {
        const held = mirror.selections.get(index);
        if (taken.has(index) || !held) return false;
        if (mirror.contentsAt(held) === selection.contents) return true;
        return [...(users.get(index) ?? [])].every((user) => user === selection.key || user === ownId);
      };
      const index = [...(candidates.get(selection.key) ?? [])].sort((a, b) => a - b).find(mayKeep);
      if (index === undefined) {
        homeless.push(selection);
      } else {
        taken.add(index);
        assigned.set(selection.key, index);
      }
    }
  }
  const free = new FreeIndices(size, (from) => {
    let index = from;
    while (mirror.selections.has(index) || users.has(index)) index++;
    return index;
  });
  for (const selection of homeless) {
    const index = free.allocate();
    if (index !== undefined) assigned.set(selection.key, index);
  }
  return assigned;
}

/** Per index the selection keys its frontends want, or for a frontend that nobody wants the id of the port it was for. */
function* usersOfIndices(
  mirror: KernelMirror,
  services: readonly DesiredService[],
): Steps<Map<number, Set<string | number>>> {
  const users = new Map<number, Set<string | number>>();
  if (mirror.frontends.size === 0) return users;
  const wanted = new Map<string, DesiredFrontend>();
  for (const [position, { frontends }] of services.entries()) {
    if (position % SERVICES_OF_A_STEP === 0) yield;
    for (const f of frontends) wanted.set(frontendId(f.key), f);
  }
  let seen = 0;
  for (const [id, { entry }] of mirror.frontends) {
    if (++seen % SERVICES_OF_A_STEP === 0) yield;
    const frontend = wanted.get(id);
    addTo(users, entry.selection, frontend?.selection ?? entry.service);
    addTo(users, entry.externalSelection, frontend?.externalSelection ?? entry.service);
  }
  return users;
}

function addTo<K, V>(sets: Map<K, Set<V>>, key: K, value: V): void {
  const known = sets.get(key);
  if (known) known.add(value);
  else sets.set(key, new Set([value]));
}
