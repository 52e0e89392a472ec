// SPDX-License-Identifier: Apache-2.0
// Collects what the watches have seen since the last sync, as far as it can make a difference, for the sync to work on that alone.

import { API_SERVER_SERVICE, type EndpointSlice, objectKey } from "../core/kubernetes-objects.ts";
import { isChanged, type ObjectChange, podMatters } from "../core/relevance.ts";
import type { ClusterChange } from "./cluster-view.ts";

export interface Changes {
  /** Something else than endpoints has changed, or too much: look at everything. */
  readonly everything: boolean;
  /** Whether any Node has, so that this node's own facts may. */
  readonly nodes: boolean;
  /** Whether Pods of this node have. */
  readonly pods: boolean;
  /** By slice, from what the last sync has seen to what there is now. */
  readonly slices: ReadonlyMap<string, ObjectChange<EndpointSlice>>;
  readonly serviceChanges: number;
  readonly sliceChanges: number;
  /** When Pods or Services changed that changed the slices, in milliseconds since the epoch; each change of a slice has one. */
  readonly triggeredAt: readonly number[];
}

/** While syncs fail, those that have waited longest are remembered. */
const MOST_TRIGGERS = 10_000;

export class ChangeLog {
  readonly #askedAddresses: () => ReadonlySet<string>;
  #everything = true;
  #nodes = true;
  #pods = true;
  #slices = new Map<string, ObjectChange<EndpointSlice>>();
  #serviceChanges = 0;
  #sliceChanges = 0;
  #triggeredAt: number[] = [];

  /** `askedAddresses`: those that people have typed into Services, as of the last whole look. */
  constructor(askedAddresses: () => ReadonlySet<string>) {
    this.#askedAddresses = askedAddresses;
  }

  /** Returns whether it makes a difference. */
  note({ kind, change }: ClusterChange): boolean {
    if (!change) {
      this.#everything = true;
      this.#nodes ||= kind === "nodes";
      this.#pods ||= kind === "pods";
      return true;
    }
    switch (kind) {
      case "endpointSlices":
        return this.#noteSlice(change);
      case "services": {
        if (!isChanged(change)) return false;
        this.#everything = true;
        this.#serviceChanges++;
        return true;
      }
      case "nodes": {
        if (!isChanged(change)) return false;
        this.#everything = this.#nodes = true;
        return true;
      }
      case "pods": {
        if (!isChanged(change)) return false;
        this.#everything ||= podMatters(change, this.#askedAddresses());
        this.#pods = true;
        return true;
      }
    }
  }

  /** What there is to do; the next changes are counted from here. */
  take(): Changes {
    const taken: Changes = {
      ...{ everything: this.#everything, nodes: this.#nodes, pods: this.#pods, slices: this.#slices },
      ...{ serviceChanges: this.#serviceChanges, sliceChanges: this.#sliceChanges, triggeredAt: this.#triggeredAt },
    };
    this.#everything = this.#nodes = this.#pods = false;
    this.#slices = new Map();
    this.#serviceChanges = this.#sliceChanges = 0;
    this.#triggeredAt = [];
    return taken;
  }

  /** Look at everything next time; `taken` did not come through. */
  putBack(taken?: Changes): void {
    this.#everything = this.#nodes = this.#pods = true;
    if (taken) this.#triggeredAt = [...taken.triggeredAt, ...this.#triggeredAt].slice(0, MOST_TRIGGERS);
  }

  /** Whether all has to be looked at next time. */
  get everything(): boolean {
    return this.#everything;
  }

  get pending(): { readonly services: number; readonly slices: number } {
    return { services: this.#serviceChanges, slices: this.#sliceChanges };
  }

  #noteSlice(change: ObjectChange<EndpointSlice>): boolean {
    const slice = change.after ?? change.before;
    if (!slice) return false;
    const key = objectKey(slice);
    // Where the API server is reached decides what all others may have.
    this.#everything ||= slice.service === API_SERVER_SERVICE;
    const known = this.#slices.get(key);
    this.#slices.set(key, { before: known ? known.before : change.before, after: change.after });
    this.#sliceChanges++;
    if (change.after && change.after.triggeredAt !== change.before?.triggeredAt)
      this.#triggeredAt.push(change.after.triggeredAt);
    return true;
  }
}
