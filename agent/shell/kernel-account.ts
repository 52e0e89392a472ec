// SPDX-License-Identifier: Apache-2.0
// Knows what the kernel holds and which facts it was given: reads it at start and at each resync, and counts what others changed.

import { type Drift, driftOf, driftTotal } from "../core/drift.ts";
import { KernelMirror } from "../core/kernel-mirror.ts";
import type { Kernel, NodeNetwork } from "../core/operation.ts";
import { inSlices } from "./in-slices.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import { serviceMaps } from "./sync-status.ts";

export class KernelAccount {
  readonly #kernel: Kernel;
  readonly #log: Log;
  readonly #metrics: Metrics;
  #mirror: KernelMirror | undefined;
  /** The facts last given to the kernel; undefined when they must be given again. */
  #network: NodeNetwork | undefined;
  #driftRepaired = 0;

  constructor(kernel: Kernel, log: Log, metrics: Metrics) {
    this.#kernel = kernel;
    this.#log = log;
    this.#metrics = metrics;
  }

  get mirror(): KernelMirror | undefined {
    return this.#mirror;
  }

  get network(): NodeNetwork | undefined {
    return this.#network;
  }

  /** Entries that others had changed, since the start. */
  get driftRepaired(): number {
    return this.#driftRepaired;
  }

  /** Looks at the maps; the next plan repairs what others have changed in them. */
  async check(): Promise<KernelMirror> {
    this.#network = undefined;
    if (this.#mirror && (await inSlices(this.#kernel.holds(this.#mirror)))) return this.#mirror;
    const now = performance.now();
    const read = this.#kernel.read();
    if (!this.#mirror) {
      this.#mirror = new KernelMirror(read, now);
      this.#log.info("read the maps", { frontends: read.frontends.size, backends: read.backends.size });
      return this.#mirror;
    }
    const drift = driftOf(this.#mirror, read);
    this.#mirror.adopt(read, now);
    this.#driftRepaired += driftTotal(drift);
    if (driftTotal(drift) > 0) {
      this.#log.warn("the maps were changed by others, repairing them", { ...drift });
      for (const [map, count] of Object.entries(drift))
        this.#metrics.drift.inc({ map: { ...serviceMaps, extents: "extents" }[map as keyof Drift] }, count);
    }
    return this.#mirror;
  }

  /** Writes what differs from what the kernel was last given, or after a read from what it has. */
  configure(network: NodeNetwork): void {
    if (this.#network && JSON.stringify(network) === JSON.stringify(this.#network)) return;
    const writes = this.#kernel.configure(network);
    this.#network = network;
    if (writes === 0) return;
    this.#metrics.writes.inc({ operation: "configure" }, writes);
    const { masqueradeAddresses, nodeAddresses, podCidrs, clusterNodeAddresses } = network;
    const facts = { masqueradeAddresses, nodeAddresses, podCidrs, clusterNodeAddresses: clusterNodeAddresses.length };
    this.#log.info("configured the node's network facts", { writes, ...facts });
  }
}
