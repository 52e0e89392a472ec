// SPDX-License-Identifier: Apache-2.0
// A world whose datapath grows, with a hand in the moments in which it does.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { keptByLru } from "../../agent/core/growth.ts";
import type { Capacity } from "../../agent/core/operation.ts";
import { defaultEntries, type MapName, mapFolders, mapShapes } from "../../agent/maps/map-table.ts";
import { GrowingDatapath } from "../../agent/shell/growing-datapath.ts";
import { Datapath, type MapSizes } from "../../agent/shell/kernel/datapath.ts";
import { HashMap } from "../../agent/shell/kernel/hash-map.ts";
import { possibleCpus } from "../../agent/shell/kernel/possible-cpus.ts";
import { close, openPinned } from "../../agent/shell/kernel/syscall.ts";
import { createLog } from "../../agent/shell/log.ts";
import { PacketTable } from "./packet-table.ts";
import { objectsDir, TCP, testSizes, World } from "./world.ts";

export const NOTHING: Capacity = { frontends: 0, selections: 0, arena: 0, backends: 0, sourceRanges: 0 };
export const SIZES = { ...defaultEntries, ...testSizes };
export const FRONTEND = { address: "*4", port: 30_001, protocol: TCP } as const;

export class GrowingWorld extends World {
  /** Programs cannot be attached while it is true. */
  failing = false;
  /** Called when everything is copied for the first time, and when programs are attached. */
  at = { copied: () => {}, before: () => {}, after: () => {} };
  /** What was opened last. */
  #newest: { readonly opened: Datapath; readonly sizes: Partial<MapSizes> } | undefined;

  async open(limitBytes = 2 ** 30, special: Partial<MapSizes> = {}): Promise<GrowingDatapath> {
    const sizes = { ...testSizes, ...special };
    const options = { bpfRoot: this.bpfRoot, cgroupRoot: this.cgroup, objectsDir: objectsDir(), sizes };
    const silent = createLog("error", () => undefined);
    const datapath = await GrowingDatapath.open(options, limitBytes, silent, async (sized) => {
      const opened = await Datapath.open(sized);
      this.#newest = { opened, sizes: sized.sizes ?? sizes };
      return this.#watched(opened);
    });
    this.cleanup.add(() => datapath.close());
    return datapath;
  }

  #watched(opened: Datapath): Datapath {
    const attach = opened.attach.bind(opened);
    opened.attach = (...to) => {
      if (this.failing) throw new Error("no more links");
      this.at.before();
      const result = this.node.inside(() => attach(...to));
      this.at.after();
      return result;
    };
    const copyFrom = opened.copyFrom.bind(opened);
    const { at } = this;
    opened.copyFrom = function* (from) {
      yield* copyFrom(from);
      at.copied();
    };
    return opened;
  }

  /** Runs packets through what was opened last, without any that run through earlier ones. */
  tableOfNewest(): PacketTable {
    if (this.#newest === undefined) throw new Error("no datapath has been opened");
    return new PacketTable(this, this.#newest.opened, "eth0", this.#newest.sizes);
  }

  folders(group = "services"): string[] {
    return readdirSync(join(this.bpfRoot, "sansproxy")).filter((name) => name.startsWith(`${group}_`));
  }

  /** A pinned map of the programs, of this size. */
  pinned(name: MapName, special: Partial<MapSizes> = {}): HashMap {
    const sizes = { ...SIZES, ...special };
    const fd = openPinned(join(this.bpfRoot, "sansproxy", mapFolders(sizes)[name], name));
    if (fd === undefined) throw new Error(`${name} of these sizes is not pinned`);
    this.cleanup.add(() => close(fd));
    return new HashMap(name, fd, mapShapes(sizes)[name]);
  }
}

/** So many entries that a map of this size grows, and no more than it holds for certain. */
export const tooMany = (entries: number): number => Math.ceil(0.9 * keptByLru(entries, possibleCpus()));
