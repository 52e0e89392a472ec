// SPDX-License-Identifier: Apache-2.0
// A datapath whose maps of Services grow while they serve: larger ones are filled beside them, and the programs change over in one step each.

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as yieldToEvents } from "node:timers/promises";
import { grownCapacity } from "../core/growth.ts";
import type { Capacity, Kernel, KernelState, NodeNetwork, Operation } from "../core/operation.ts";
import { defaultEntries, type MapEntries, memoryOf, sizesOfFolder } from "../maps/map-table.ts";
import { Datapath, type DatapathOptions } from "./kernel/datapath.ts";
import { errorText, type Log } from "./log.ts";

type Used = Pick<Datapath, "attach" | "bypassSockets" | "releaseSockets" | "counters" | "close">;

export class GrowingDatapath implements Kernel, Used {
  readonly #options: DatapathOptions;
  /** Bytes that the maps of Services may take when they are full. */
  readonly #limitBytes: number;
  readonly #log: Log;
  readonly #open: (options: DatapathOptions) => Datapath;
  #sizes: MapEntries;
  #current: Datapath;
  #attachedTo: Parameters<Datapath["attach"]> | undefined;

  /** Goes on with the largest maps that are pinned: smaller ones beside them serve until `attach`. */
  constructor(
    options: DatapathOptions,
    limitBytes: number,
    log: Log,
    open = (sized: DatapathOptions) => new Datapath(sized),
  ) {
    this.#options = options;
    this.#limitBytes = limitBytes;
    this.#log = log;
    this.#open = open;
    const configured = { ...defaultEntries, ...options.sizes };
    const [first = configured, ...smaller] = pinnedSizes(options.bpfRoot).map((sizes) => ({ ...configured, ...sizes }));
    [this.#sizes, this.#current] = this.#openFirst([first, ...smaller]);
  }

  get capacity(): Capacity {
    return this.#current.capacity;
  }

  /**
   * Makes the maps larger when these needs fill them too much, and may be called only while nothing else is written. True
   * when they are larger now, and hold what they held. Throws when it cannot be done; the smaller ones serve on then.
   */
  async makeRoom(needs: Capacity): Promise<boolean> {
    const memory = {
      bytesOf: (capacity: Capacity) => memoryOf({ ...this.#sizes, ...capacity }),
      limitBytes: this.#limitBytes,
    };
    const wanted = grownCapacity(needs, this.#current.capacity, memory);
    if (!wanted) return false;
    const { frontends, selections, arena, backends, sourceRanges } = wanted;
    const sizes = { ...this.#sizes, frontends, selections, arena, backends, sourceRanges };
    let larger: Datapath | undefined;
    try {
      larger = this.#open({ ...this.#options, sizes });
      for (const _ of larger.copyServices(this.#current)) await yieldToEvents();
      if (this.#attachedTo) larger.attach(...this.#attachedTo);
    } catch (error) {
      larger?.close();
      // Some programs may have changed over; this also lets the larger maps go.
      if (this.#attachedTo) this.#current.attach(...this.#attachedTo);
      throw error;
    }
    this.#current.close();
    this.#current = larger;
    this.#sizes = sizes;
    this.#log.info("made the maps larger", { ...wanted, bytes: memory.bytesOf(wanted) });
    return true;
  }

  read(): KernelState {
    return this.#current.read();
  }

  apply(operation: Operation): void {
    this.#current.apply(operation);
  }

  configure(network: NodeNetwork): number {
    return this.#current.configure(network);
  }

  attach(...to: Parameters<Datapath["attach"]>): ReturnType<Datapath["attach"]> {
    const result = this.#current.attach(...to);
    this.#attachedTo = to;
    return result;
  }

  bypassSockets(cgroups: readonly string[]): number {
    return this.#current.bypassSockets(cgroups);
  }

  releaseSockets(namespaces?: readonly string[]): ReturnType<Datapath["releaseSockets"]> {
    return this.#current.releaseSockets(namespaces);
  }

  counters(): Readonly<Record<string, bigint>> {
    return this.#current.counters();
  }

  close(): void {
    this.#current.close();
  }

  /** A larger one that could not be made whole must not keep the agent from the one that serves. */
  #openFirst([sizes, ...others]: [MapEntries, ...MapEntries[]]): [MapEntries, Datapath] {
    try {
      return [sizes, this.#open({ ...this.#options, sizes })];
    } catch (error) {
      const [next, ...rest] = others;
      if (!next) throw error;
      this.#log.warn("cannot go on with the largest maps, trying the next", { ...sizes, error: errorText(error) });
      return this.#openFirst([next, ...rest]);
    }
  }
}

/** The maps only ever grow, so of two folders the larger is what an earlier run was changing over to, or had. Largest first. */
function pinnedSizes(bpfRoot: string): Partial<MapEntries>[] {
  const root = join(bpfRoot, "sansproxy");
  const found = existsSync(root) ? readdirSync(root).flatMap((name) => sizesOfFolder(name) ?? []) : [];
  const bytes = (sizes: Partial<MapEntries>) => memoryOf({ ...defaultEntries, ...sizes });
  return found.sort((a, b) => bytes(b) - bytes(a));
}
