// SPDX-License-Identifier: Apache-2.0
// Adds up what Services need of the maps, one Service at a time in either direction.

import { extentSize } from "./arena.ts";
import { BackendNumbers } from "./backend-numbers.ts";
import type { DesiredService } from "./desired-state.ts";
import type { Backend, Capacity } from "./operation.ts";
import type { ProblemReason } from "./problem.ts";

export const MAX_ENDPOINTS_PER_SELECTION = 65_535;

/** Host ports of Pods are counted apart from Services in one number below 2^32: more users of a kind than there can be of one backend. */
const POD = 2 ** 24;

export interface Hindrance {
  readonly reason: ProblemReason;
  readonly why: string;
}

export class Demand {
  #frontends = 0;
  #selections = 0;
  #arena = 0;
  #sourceRanges = 0;
  #endpoints = 0;
  /** Sets of endpoints by contents: equal ones share an extent. */
  readonly #extents = new Map<string, number>();
  /** How many users each has, in units. */
  readonly #backends = new BackendNumbers();

  get frontends(): number {
    return this.#frontends;
  }

  /** Distinct endpoints of Services, without host ports. */
  get endpoints(): number {
    return this.#endpoints;
  }

  /** What it needs; index 0 of selections and backends, which nothing may use, is not counted. */
  get needs(): Capacity {
    return {
      frontends: this.#frontends,
      selections: this.#selections,
      arena: this.#arena,
      backends: this.#backends.size,
      sourceRanges: this.#sourceRanges,
    };
  }

  add(service: DesiredService): void {
    this.#count(service, 1);
  }

  remove(service: DesiredService): void {
    this.#count(service, -1);
  }

  /** What of the budget is exceeded, or undefined. */
  exceeds(budget: Capacity): Hindrance | undefined {
    const { frontends, selections, arena, backends, sourceRanges } = this.needs;
    if (frontends > budget.frontends) return { reason: "FrontendsFull", why: "the frontends map is full" };
    if (selections > budget.selections) return { reason: "SelectionsFull", why: "the selections map is full" };
    if (sourceRanges > budget.sourceRanges) return { reason: "SourceRangesFull", why: "the source ranges map is full" };
    if (backends > budget.backends) return { reason: "BackendsFull", why: "the backends map is full" };
    if (arena > budget.arena) return { reason: "ArenaFull", why: "the arena of endpoint lists is full" };
    return undefined;
  }

  #count(service: DesiredService, by: 1 | -1): void {
    const unit = service.name.startsWith("pod/") ? POD : 1;
    this.#frontends += by * service.frontends.length;
    this.#selections += by * service.selections.length;
    this.#sourceRanges += by * service.sourceRanges.length;
    for (const { backends, cells, contents } of service.selections) {
      if (backends.length === 0) continue;
      const users = (this.#extents.get(contents) ?? 0) + by;
      if (users === 0) this.#extents.delete(contents);
      else this.#extents.set(contents, users);
      if (users === (by === 1 ? 1 : 0)) this.#arena += by * extentSize(cells);
      for (const backend of backends) this.#countBackend(backend, by * unit);
    }
  }

  #countBackend(backend: Backend, by: number): void {
    const before = this.#backends.get(backend) ?? 0;
    const after = before + by;
    if (after === 0) this.#backends.delete(backend);
    else this.#backends.set(backend, after);
    this.#endpoints += Number(after % POD > 0) - Number(before % POD > 0);
  }
}

/** A set that no selection can hold, however large the maps are. */
export const tooManyEndpoints = (service: DesiredService): boolean =>
  service.selections.some(({ backends }) => backends.length > MAX_ENDPOINTS_PER_SELECTION);
