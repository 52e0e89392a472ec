// SPDX-License-Identifier: Apache-2.0
// Plans the writes of source ranges around those of the frontends that ask for them.

import type { DesiredFrontend, DesiredService } from "./desired-state.ts";
import type { KernelMirror } from "./kernel-mirror.ts";
import { frontendId, type Operation, type SourceRange, sourceRangeId } from "./operation.ts";

/**
 * Writes source ranges before the frontends that ask for them, and deletes what no frontend asks for: afterwards, or first
 * when nothing in the kernel asks for it any more, which a plan cut short leaves behind. A frontend that is new would
 * admit whom that range names.
 */
export class RangeWriter {
  readonly #mirror: KernelMirror;
  readonly #wanted = new Map<string, SourceRange>();
  readonly #services = new Set<number>();
  /** Ids of ranges that nothing in the kernel asks for. */
  readonly #unasked = new Set<string>();
  /** Services whose frontends in the kernel stay as they are for now. */
  readonly #unchanged = new Set<number>();

  constructor(mirror: KernelMirror, services: readonly DesiredService[], ids: ReadonlyMap<string, number>) {
    this.#mirror = mirror;
    for (const range of services.flatMap((service) => rangesOf(service, ids))) {
      this.#wanted.set(sourceRangeId(range), range);
      this.#services.add(range.service);
    }
  }

  /** `deleted`: ids of the frontends whose deletion comes before. */
  deleteUnasked(deleted: ReadonlySet<string>): Operation[] {
    const asking = new Set<number>();
    for (const [id, { entry }] of this.#mirror.frontends) {
      if (entry.sourceRanges && !deleted.has(id)) asking.add(entry.service);
    }
    for (const [id, { service }] of this.#mirror.sourceRanges) {
      if (!asking.has(service) && !this.#wanted.has(id)) this.#unasked.add(id);
    }
    return this.#deletions((id) => this.#unasked.has(id));
  }

  write(service: DesiredService, ids: ReadonlyMap<string, number>): Operation[] {
    return rangesOf(service, ids)
      .filter((range) => !this.#mirror.sourceRanges.has(sourceRangeId(range)))
      .map((range) => ({ kind: "upsert-source-range", range }));
  }

  /** This frontend cannot be written now: what the kernel holds of it goes on asking for its source ranges. */
  keepFor(frontend: DesiredFrontend): void {
    const held = this.#mirror.frontends.get(frontendId(frontend.key))?.entry;
    if (held?.sourceRanges) this.#unchanged.add(held.service);
  }

  deleteOthers(): Operation[] {
    return this.#deletions(
      (id, { service }) =>
        !this.#wanted.has(id) &&
        !this.#unasked.has(id) &&
        (this.#services.has(service) || !this.#unchanged.has(service)),
    );
  }

  #deletions(chosen: (id: string, range: SourceRange) => boolean): Operation[] {
    return [...this.#mirror.sourceRanges]
      .filter(([id, range]) => chosen(id, range))
      .map(([, range]) => ({ kind: "delete-source-range", range }));
  }
}

function rangesOf(service: DesiredService, ids: ReadonlyMap<string, number>): SourceRange[] {
  return service.sourceRanges.flatMap(({ servicePort, cidr }) => {
    const id = ids.get(servicePort);
    return id === undefined ? [] : [{ service: id, cidr }];
  });
}
