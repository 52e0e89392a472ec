// SPDX-License-Identifier: Apache-2.0
// Plans the writes of source ranges around those of the frontends that ask for them.

import type { DesiredFrontend, DesiredService } from "./desired-state.ts";
import type { KernelMirror } from "./kernel-mirror.ts";
import { frontendId, type Operation, type SourceRange, sourceRangeId } from "./operation.ts";

/** Writes source ranges before the frontends that ask for them, and deletes what no frontend asks for afterwards. */
export class RangeWriter {
  readonly #mirror: KernelMirror;
  readonly #wanted = new Map<string, SourceRange>();
  readonly #services = new Set<number>();
  /** Services whose frontends in the kernel stay as they are for now. */
  readonly #unchanged = new Set<number>();

  constructor(mirror: KernelMirror) {
    this.#mirror = mirror;
  }

  write(service: DesiredService, ids: ReadonlyMap<string, number>): Operation[] {
    const operations: Operation[] = [];
    for (const { servicePort, cidr } of service.sourceRanges) {
      const id = ids.get(servicePort);
      if (id === undefined) continue;
      const range = { service: id, cidr };
      this.#wanted.set(sourceRangeId(range), range);
      this.#services.add(id);
      if (!this.#mirror.sourceRanges.has(sourceRangeId(range))) operations.push({ kind: "upsert-source-range", range });
    }
    return operations;
  }

  /** This frontend cannot be written now: what the kernel holds of it goes on asking for its source ranges. */
  keepFor(frontend: DesiredFrontend): void {
    const held = this.#mirror.frontends.get(frontendId(frontend.key))?.entry;
    if (held?.sourceRanges) this.#unchanged.add(held.service);
  }

  deleteOthers(): Operation[] {
    return [...this.#mirror.sourceRanges]
      .filter(([id]) => !this.#wanted.has(id))
      .filter(([, { service }]) => this.#services.has(service) || !this.#unchanged.has(service))
      .map(([, range]) => ({ kind: "delete-source-range", range }));
  }
}
