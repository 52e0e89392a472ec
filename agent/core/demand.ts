// SPDX-License-Identifier: Apache-2.0
// Adds up what Services need of the maps, one Service at a time in either direction.

import { extentSize } from "./arena.ts";
import { BackendNumbers } from "./backend-numbers.ts";
import type { DesiredSelection, DesiredService } from "./desired-state.ts";
import { type Backend, backendId, type Capacity, sameBackend } from "./operation.ts";
import type { ProblemReason } from "./problem.ts";

const MAX_ENDPOINTS_PER_SELECTION = 65_535;

/** Host ports of Pods are counted apart from Services in one number below 2^32: more users of a kind than there can be of one backend. */
const POD = 2 ** 24;

export interface Hindrance {
  readonly reason: ProblemReason;
  readonly why: string;
  /** @default that of a map which is full */
  readonly remedy?: string;
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

  /** Whether some Service leads to the endpoint, or keeps it. */
  has(backend: Backend): boolean {
    return this.#backends.get(backend) !== undefined;
  }

  add(service: DesiredService): void {
    this.#count(service, 1);
  }

  remove(service: DesiredService): void {
    this.#count(service, -1);
  }

  /** The same Service with other endpoints, so the same frontends and selections: only what differs is counted. */
  replace(before: DesiredService, after: DesiredService): void {
    const unit = unitOf(after);
    for (const [index, selection] of after.selections.entries()) {
      const old = before.selections[index];
      if (old?.contents === selection.contents) continue;
      if (old) this.#countExtent(old, -1);
      this.#countExtent(selection, 1);
      for (const backend of differences(old?.backends ?? [], selection.backends))
        this.#countBackend(backend.of, backend.by * unit);
    }
    if (after.kept === before.kept) return;
    for (const backend of after.kept) this.#countBackend(backend, unit);
    for (const backend of before.kept) this.#countBackend(backend, -unit);
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
    const unit = unitOf(service);
    this.#frontends += by * service.frontends.length;
    this.#selections += by * service.selections.length;
    this.#sourceRanges += by * service.sourceRanges.length;
    for (const selection of service.selections) {
      this.#countExtent(selection, by);
      for (const backend of selection.backends) this.#countBackend(backend, by * unit);
    }
    for (const backend of service.kept) this.#countBackend(backend, by * unit);
  }

  #countExtent({ backends, cells, contents }: DesiredSelection, by: 1 | -1): void {
    if (backends.length === 0) return;
    const users = (this.#extents.get(contents) ?? 0) + by;
    if (users === 0) this.#extents.delete(contents);
    else this.#extents.set(contents, users);
    if (users === (by === 1 ? 1 : 0)) this.#arena += by * extentSize(cells);
  }

  #countBackend(backend: Backend, by: number): void {
    const before = this.#backends.get(backend) ?? 0;
    const after = before + by;
    if (after === 0) this.#backends.delete(backend);
    else this.#backends.set(backend, after);
    this.#endpoints += Number(after % POD > 0) - Number(before % POD > 0);
  }
}

const unitOf = ({ name }: DesiredService): number => (name.startsWith("pod/") ? POD : 1);

/** What only one of two lists has, which are sorted by `backendId` and hold nothing twice. */
function* differences(
  before: readonly Backend[],
  after: readonly Backend[],
): Iterable<{ readonly of: Backend; readonly by: 1 | -1 }> {
  let [old, now] = [0, 0];
  while (old < before.length || now < after.length) {
    const [gone, come] = [before[old], after[now]];
    if (gone && come && sameBackend(gone, come)) {
      old++;
      now++;
    } else if (gone && (!come || backendId(gone) < backendId(come))) {
      yield { of: gone, by: -1 };
      old++;
    } else if (come) {
      yield { of: come, by: 1 };
      now++;
    }
  }
}

/** A set that no selection can hold, however large the maps are. */
export const tooManyEndpoints = (service: DesiredService): boolean =>
  service.selections.some(({ backends }) => backends.length > MAX_ENDPOINTS_PER_SELECTION);
