// SPDX-License-Identifier: Apache-2.0
// Decides which Services fit into the maps: the oldest first, each whole or not at all, from the objects and sizes alone.

import { Demand, type Hindrance, tooManyEndpoints } from "./demand.ts";
import type { DesiredService } from "./desired-state.ts";
import type { Capacity } from "./operation.ts";
import { type Problem, titleOf } from "./problem.ts";
import type { Steps } from "./steps.ts";

const SERVICES_OF_A_STEP = 64;

export interface Admission {
  readonly admitted: readonly DesiredService[];
  readonly refused: readonly Problem[];
  /** Of the admitted. */
  readonly demand: Demand;
}

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

export function* admit(services: readonly DesiredService[], capacity: Capacity): Steps<Admission> {
  const budget = budgetOf(capacity);
  const demand = new Demand();
  const admitted: DesiredService[] = [];
  const refused: Problem[] = [];
  for (const [index, service] of services.entries()) {
    if (index % SERVICES_OF_A_STEP === 0) yield;
    demand.add(service);
    const hindrance: Hindrance | undefined = tooManyEndpoints(service)
      ? {
          reason: "TooManyEndpoints",
          why: "it has more than 65,535 endpoints on one port",
          remedy: "divide it into several Services",
        }
      : demand.exceeds(budget);
    if (hindrance) {
      demand.remove(service);
      refused.push(refusalOf(service, hindrance));
    } else {
      admitted.push(service);
    }
  }
  return { admitted, refused, demand };
}

const refusalOf = ({ name }: DesiredService, { reason, why, remedy }: Hindrance): Problem => ({
  service: name,
  reason,
  message: `${titleOf(name)} is not served, because ${why}; ${remedy ?? "remove Services, or raise bpf.mapDynamicSizeRatio"}. All others are served.`,
});
