// SPDX-License-Identifier: Apache-2.0
// A datapath whose maps grow while they serve: larger ones are filled beside them, and the programs change over in one step each.

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { AccelerationState } from "../core/acceleration.ts";
import { grownCapacity, grownEntries, grownLruEntries, keptByLru } from "../core/growth.ts";
import type { NodeCapacity } from "../core/node-capacity.ts";
import type { Capacity, Kernel, KernelState, NodeNetwork, Operation } from "../core/operation.ts";
import type { Steps } from "../core/steps.ts";
import { defaultEntries, type MapEntries, type MapGroup, memoryOf, sizesOfFolder } from "../maps/map-table.ts";
import { inSlices } from "./in-slices.ts";
import { Datapath, type DatapathOptions } from "./kernel/datapath.ts";
import { possibleCpus } from "./kernel/possible-cpus.ts";
import { errorText, type Log } from "./log.ts";

type Used = Pick<Datapath, "acceleration" | "bypassSockets" | "releaseSockets" | "counters" | "mapUsage" | "close">;

/** Opens maps of these sizes, with the programs. */
type Open = (options: DatapathOptions) => Promise<Datapath>;

/** Either half of the maps may take the whole limit: what the agent writes, and what the programs do. */
const HALVES: readonly (readonly MapGroup[])[] = [
  ["services", "node"],
  ["sockets", "flows", "fragments"],
];
/** The least recently used entries of so full a map give way, and some of them may still be in use. */
const FULL = 0.95;

export class GrowingDatapath implements Kernel, Used {
  readonly #options: DatapathOptions;
  readonly #limitBytes: number;
  readonly #log: Log;
  readonly #open: Open;
  #current: Datapath;
  /** Smaller maps that serve until `attach`: an earlier run was cut off while it changed over from them. */
  #serving: Datapath | undefined;
  #attachedTo: Parameters<Datapath["attach"]> | undefined;

  /** Goes on with the largest maps that are pinned, and fills them with what smaller ones beside them hold. */
  static async open(
    options: DatapathOptions,
    limitBytes: number,
    log: Log,
    open: Open = (sized) => Datapath.open(sized),
  ): Promise<GrowingDatapath> {
    const configured = { ...defaultEntries, ...options.sizes };
    const known = pinnedSizes(options.bpfRoot).map((sizes) => ({ ...configured, ...sizes }));
    const opened = await openLargest(options, known, open, log);
    return new GrowingDatapath(options, limitBytes, log, open, opened);
  }

  private constructor(
    options: DatapathOptions,
    limitBytes: number,
    log: Log,
    open: Open,
    { current, serving }: { readonly current: Datapath; readonly serving?: Datapath | undefined },
  ) {
    this.#options = options;
    this.#limitBytes = limitBytes;
    this.#log = log;
    this.#open = open;
    this.#current = current;
    this.#serving = serving;
  }

  get capacity(): Capacity {
    return this.#current.capacity;
  }

  /**
   * Makes the maps of Services larger when these needs fill them too much. True when they are larger now, and hold what they
   * held. This and the other ways to make room throw when it cannot be done (the smaller maps serve on then), and may be
   * called only while nothing else is written.
   */
  async makeRoom(needs: Capacity): Promise<boolean> {
    const grown = grownCapacity(needs, this.#current.capacity, this.#memory());
    if (!grown) return false;
    const { frontends, selections, arena, backends, sourceRanges } = grown;
    await this.#grow({ frontends, selections, arena, backends, sourceRanges });
    return true;
  }

  /** The same for facts about nodes; returns what fits now. */
  async makeRoomForNode(needs: NodeCapacity): Promise<NodeCapacity> {
    const { nodeAddresses, networks } = this.#current.sizes;
    const grown = grownEntries(needs, { nodeAddresses, networks }, this.#memory());
    if (grown) await this.#grow(grown);
    return this.#current.sizes;
  }

  /** The same for cgroups whose sockets are left alone; returns how many fit now. */
  async makeRoomForBypass(cgroups: number): Promise<number> {
    const { socketBypass } = this.#current.sizes;
    // One entry says that there are others.
    const grown = grownEntries({ socketBypass: cgroups + 1 }, { socketBypass }, this.#memory());
    if (grown) await this.#grow(grown);
    return this.#current.sizes.socketBypass - 1;
  }

  /** Counts connections, and makes their maps larger when they fill up. Returns those that are full and may not grow. */
  async makeRoomForConnections(): Promise<readonly string[]> {
    const needs = await inSlices(this.#current.countConnections());
    const { affinities, socketFlows, flows, fragments } = this.#current.sizes;
    const cpus = possibleCpus();
    const grown = grownLruEntries(needs, { affinities, socketFlows, flows, fragments }, cpus, this.#memory());
    if (grown) await this.#grow(grown);
    const { sizes } = this.#current;
    return (["affinities", "socketFlows", "flows", "fragments"] as const).filter(
      (map) => needs[map] > FULL * keptByLru(sizes[map], cpus),
    );
  }

  async #grow(entries: Partial<MapEntries>): Promise<void> {
    const sizes = { ...this.#current.sizes, ...entries };
    const smaller = this.#current;
    let larger: Datapath | undefined;
    try {
      larger = await this.#open({ ...this.#options, sizes });
      await inSlices(larger.copyFrom(smaller));
      // So that few are left for afterwards: until then a packet of theirs meets programs that do not know it.
      await inSlices(larger.copyLate(smaller));
      if (this.#attachedTo) larger.attach(...this.#attachedTo);
    } catch (error) {
      larger?.close();
      // Some programs may have changed over; this also lets the larger maps go.
      if (this.#attachedTo) smaller.attach(...this.#attachedTo);
      throw error;
    }
    this.#current = larger;
    try {
      await inSlices(larger.copyLate(smaller));
    } finally {
      smaller.close();
    }
    this.#log.info("made maps larger", entries);
  }

  /** Only what grows is held to the limit: maps that were given more are no reason that others may not grow. */
  #memory() {
    const now = this.#current.sizes;
    return {
      limitBytes: this.#limitBytes,
      bytesOf: (entries: Partial<MapEntries>) => {
        const halves = HALVES.map((half) => ({
          before: memoryOf(now, half),
          after: memoryOf({ ...now, ...entries }, half),
        }));
        return Math.max(...halves.map(({ before, after }) => (after > before ? after : 0)));
      },
    };
  }

  read(): KernelState {
    return this.#current.read();
  }

  holds(state: KernelState): Steps<boolean> {
    return this.#current.holds(state);
  }

  apply(operation: Operation): void {
    this.#current.apply(operation);
  }

  configure(network: NodeNetwork): number {
    return this.#current.configure(network);
  }

  /** As that of `Datapath`; takes a while where other maps have served until now. */
  async attach(...to: Parameters<Datapath["attach"]>): Promise<ReturnType<Datapath["attach"]>> {
    const serving = this.#serving;
    if (serving) await inSlices(this.#current.copyLate(serving));
    const result = this.#current.attach(...to);
    this.#attachedTo = to;
    if (serving) {
      await inSlices(this.#current.copyLate(serving));
      this.#serving = undefined;
      serving.close();
    }
    return result;
  }

  get acceleration(): AccelerationState {
    return this.#current.acceleration;
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

  mapUsage(): ReturnType<Datapath["mapUsage"]> {
    return this.#current.mapUsage();
  }

  close(): void {
    this.#serving?.close();
    this.#current.close();
  }
}

async function openLargest(
  options: DatapathOptions,
  [largest, smallest]: readonly MapEntries[],
  open: Open,
  log: Log,
): Promise<{ readonly current: Datapath; readonly serving?: Datapath | undefined }> {
  const of = (sizes: MapEntries | undefined) => open({ ...options, ...(sizes && { sizes }) });
  if (!smallest) return { current: await of(largest) };
  let current: Datapath;
  try {
    current = await of(largest);
  } catch (error) {
    // Larger ones that could not be made whole must not keep the agent from those that serve.
    log.warn("cannot go on with the largest maps, trying the smallest", { ...largest, error: errorText(error) });
    return { current: await of(smallest) };
  }
  let serving: Datapath | undefined;
  try {
    serving = await of(smallest);
    await inSlices(current.copyFrom(serving));
    return { current, serving };
  } catch (error) {
    serving?.close();
    log.warn("cannot take over what smaller maps hold", { ...smallest, error: errorText(error) });
    return { current };
  }
}

/** The maps only ever grow: of two folders the larger is what an earlier run was changing over to, the smaller is whole. Larger first. */
function pinnedSizes(bpfRoot: string): Partial<MapEntries>[] {
  const root = join(bpfRoot, "sansproxy");
  const found = existsSync(root) ? readdirSync(root).flatMap((name) => sizesOfFolder(name) ?? []) : [];
  const bytes = ({ group, sizes }: (typeof found)[number]) => memoryOf({ ...defaultEntries, ...sizes }, [group]);
  const smallestFirst = found.sort((a, b) => bytes(a) - bytes(b)).map(({ sizes }) => sizes);
  const largest: Partial<MapEntries> = Object.assign({}, ...smallestFirst);
  const smallest: Partial<MapEntries> = Object.assign({}, ...smallestFirst.reverse());
  const hasTwoOfOneGroup = found.length > new Set(found.map(({ group }) => group)).size;
  return hasTwoOfOneGroup ? [largest, smallest] : [largest];
}
