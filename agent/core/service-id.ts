// SPDX-License-Identifier: Apache-2.0
// Gives each Service port its 32-bit id: a hash of its name, so that restarts and nodes agree; collisions move up by one.

import type { DesiredService } from "./desired-state.ts";
import type { Steps } from "./steps.ts";

const SERVICES_OF_A_STEP = 256;

export function* serviceIds(services: readonly DesiredService[]): Steps<Map<string, number>> {
  const ids = new Map<string, number>();
  const taken = new Set<number>([0]);
  for (const [index, { frontends }] of services.entries()) {
    if (index % SERVICES_OF_A_STEP === 0) yield;
    for (const { servicePort } of frontends) {
      if (ids.has(servicePort)) continue;
      let id = hash(servicePort);
      while (taken.has(id)) id = (id + 1) >>> 0;
      taken.add(id);
      ids.set(servicePort, id);
    }
  }
  return ids;
}

/** FNV-1a over UTF-16 code units. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  return value >>> 0;
}
