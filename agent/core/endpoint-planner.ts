// SPDX-License-Identifier: Apache-2.0
// Plans changes of endpoints alone, from what the last full plan decided: the work is that of the changed Services, however many there are.

import { budgetOf } from "./admission.ts";
import { tooManyEndpoints } from "./demand.ts";
import type { DesiredService } from "./desired-state.ts";
import type { KernelMirror } from "./kernel-mirror.ts";
import type { Capacity, Operation } from "./operation.ts";
import { clearIdle, type FullPlan, type Plan, upsertFrontend } from "./plan.ts";
import { SelectionWriter } from "./selection-writer.ts";

/** A Service before and after a change of its endpoints: the same frontends and selections, but for what they offer. */
export interface EndpointChange {
  readonly before: DesiredService;
  readonly after: DesiredService;
}

/**
 * It may follow a full plan that is complete and has been carried out whole, and others of its own that have been. What it
 * leaves in the kernel is what a full plan would ask for: that stays the specification.
 */
export class EndpointPlanner {
  readonly #full: FullPlan;
  readonly #capacity: Capacity;

  constructor(full: FullPlan, capacity: Capacity) {
    this.#full = full;
    this.#capacity = capacity;
  }

  /** Undefined when only a full plan can tell; this planner is of no use any more then. */
  plan(mirror: KernelMirror, changes: readonly EndpointChange[], now: number): Plan | undefined {
    const { decisions, problems, served } = this.#full;
    const { demand } = decisions;
    if (!decisions.complete) return undefined;
    for (const { before, after } of changes) demand.replace(before, after);
    if (changes.some(({ after }) => tooManyEndpoints(after)) || demand.exceeds(budgetOf(this.#capacity)))
      return undefined;
    const writer = new SelectionWriter(mirror, this.#capacity);
    const operations: Operation[] = [];
    const used = new Set<number>();
    try {
      for (const change of changes) {
        const writes = this.#write(mirror, writer, change, used);
        if (!writes) return undefined;
        operations.push(...writes);
      }
      operations.push(...clearIdle(mirror, used, writer, now));
    } finally {
      writer.close();
    }
    return {
      operations,
      keeps: (backend) => demand.has(backend),
      problems,
      deferred: [],
      needs: demand.needs,
      served: { ...served, endpoints: demand.endpoints },
    };
  }

  #write(
    mirror: KernelMirror,
    writer: SelectionWriter,
    { before, after }: EndpointChange,
    used: Set<number>,
  ): Operation[] | undefined {
    const { ids, assigned } = this.#full.decisions;
    const operations: Operation[] = [];
    for (const [place, selection] of after.selections.entries()) {
      // It is in the kernel, and in use.
      if (selection === before.selections[place]) continue;
      const index = assigned.get(selection.key);
      const writes = index === undefined ? undefined : writer.write(index, selection);
      if (index === undefined || !writes) return undefined;
      used.add(index);
      operations.push(...writes);
    }
    if (after.frontends === before.frontends) return operations;
    for (const frontend of after.frontends) operations.push(...upsertFrontend(mirror, frontend, ids, assigned));
    return operations;
  }
}
