// SPDX-License-Identifier: Apache-2.0
// Plans each sync by the least work that is right: from changed endpoints alone where that is enough, else from everything.

import { ClusterState } from "./cluster-state.ts";
import { EndpointPlanner } from "./endpoint-planner.ts";
import type { HealthCheck } from "./health-checks.ts";
import type { KernelMirror } from "./kernel-mirror.ts";
import type { EndpointSlice, Snapshot } from "./kubernetes-objects.ts";
import type { LoadBalancing } from "./load-balancing.ts";
import type { Capacity, ServingFacts } from "./operation.ts";
import { type Plan, planInSteps } from "./plan.ts";
import type { ObjectChange } from "./relevance.ts";
import type { Steps } from "./steps.ts";

export interface SyncInput {
  readonly snapshot: Snapshot;
  /** What this node knows beside the objects. */
  readonly facts: ServingFacts;
  readonly capacity: Capacity;
  /** Something else than EndpointSlices may have changed since the last sync. */
  readonly everything: boolean;
  /** Those that have. */
  readonly slices: Iterable<ObjectChange<EndpointSlice>>;
}

export class SyncPlanner {
  readonly #state: ClusterState;
  /** Knows what the last full plan decided, while that has been carried out whole. */
  #follower: EndpointPlanner | undefined;

  constructor(nodeName: string, balancing?: LoadBalancing) {
    this.#state = new ClusterState(nodeName, balancing);
  }

  /** What load balancers are to be told once the plan has been carried out. */
  get healthChecks(): readonly HealthCheck[] {
    return this.#state.healthChecks;
  }

  /** Addresses that people have typed into Services. */
  get askedAddresses(): ReadonlySet<string> {
    return this.#state.askedAddresses;
  }

  /** Must be followed by `carriedOut`; the mirror must stay as it is meanwhile. */
  *plan(mirror: KernelMirror, input: SyncInput, now: number): Steps<Plan & { readonly whole: boolean }> {
    mirror.releaseExtents(now);
    const follower = input.everything ? undefined : this.#follower;
    const small = follower?.plan(mirror, this.#state.changeSlices(input.slices), now);
    if (small) return { ...small, whole: false };
    const desired = yield* this.#state.rebuild(input.snapshot, input.facts);
    const full = yield* planInSteps(mirror, desired, input.capacity, now);
    this.#follower = new EndpointPlanner(full, input.capacity);
    return { ...full, whole: true };
  }

  /** Whether every operation of the last plan is in the kernel; after one that is not, the next plan looks at everything. */
  carriedOut(all: boolean): void {
    if (!all) this.#follower = undefined;
  }
}
