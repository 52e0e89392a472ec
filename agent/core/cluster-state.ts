// SPDX-License-Identifier: Apache-2.0
// Keeps the desired state while the cluster changes: made whole at first and when Services do, one Service at a time when endpoints do.

import {
  type DesiredService,
  type DesiredState,
  type Resolution,
  resolveAll,
  resolveService,
} from "./desired-state.ts";
import type { EndpointChange } from "./endpoint-planner.ts";
import { type HealthCheck, healthCheckOf, healthChecks, isHealthChecked } from "./health-checks.ts";
import {
  type EndpointSlice,
  objectKey,
  SERVICE_NAME_LABEL,
  type Service,
  type Snapshot,
} from "./kubernetes-objects.ts";
import { DEFAULT_LOAD_BALANCING, type LoadBalancing } from "./load-balancing.ts";
import { askedAddresses, type ObjectChange } from "./relevance.ts";

export class ClusterState {
  readonly #nodeName: string;
  readonly #balancing: LoadBalancing;
  #resolution: Resolution | undefined;
  /** Where each Service is in the order of the desired state. */
  #positions = new Map<string, number>();
  #healthChecks: HealthCheck[] = [];
  #askedAddresses = new Set<string>();

  constructor(nodeName: string, balancing: LoadBalancing = DEFAULT_LOAD_BALANCING) {
    this.#nodeName = nodeName;
    this.#balancing = balancing;
  }

  /** Endpoints that Services ready for load balancers have here, as `healthChecks` says it of the same snapshot. */
  get healthChecks(): readonly HealthCheck[] {
    return this.#healthChecks;
  }

  /** Addresses that people have typed into Services. */
  get askedAddresses(): ReadonlySet<string> {
    return this.#askedAddresses;
  }

  /** Makes all of it anew. */
  rebuild(snapshot: Snapshot, deviceAddresses: readonly string[]): DesiredState {
    const resolution = resolveAll(snapshot, this.#nodeName, deviceAddresses, this.#balancing);
    this.#resolution = resolution;
    this.#positions = new Map(resolution.services.map((service, position) => [objectKey(service), position]));
    this.#healthChecks = healthChecks(resolution.services, resolution.slicesOf, this.#nodeName);
    this.#askedAddresses = askedAddresses(resolution.services);
    return resolution.desired;
  }

  /** Follows changes of EndpointSlices since `rebuild`; says which Services they make a difference to. */
  changeSlices(changes: Iterable<ObjectChange<EndpointSlice>>): EndpointChange[] {
    const resolution = this.#resolution;
    if (!resolution) throw new Error("changes have no meaning before the first whole state");
    const touched = new Set<string>();
    for (const { before, after } of changes) {
      for (const slice of [before, after]) {
        const service = slice && serviceOf(slice);
        if (!slice || service === undefined) continue;
        replaceSlice(resolution.slicesOf, service, objectKey(slice), slice === after ? slice : undefined);
        touched.add(service);
      }
    }
    return [...touched].flatMap((name) => this.#resolve(resolution, name) ?? []);
  }

  #resolve(resolution: Resolution, name: string): EndpointChange | undefined {
    const position = this.#positions.get(name);
    const service = position === undefined ? undefined : resolution.services[position];
    const before = position === undefined ? undefined : resolution.desired.services[position];
    if (position === undefined || !service || !before) return undefined;
    const slices = resolution.slicesOf.get(name) ?? [];
    this.#checkHealth(service, slices);
    const { claims, spreads, location } = resolution;
    const after = resolveService(
      service,
      claims[position] ?? [],
      slices,
      location,
      spreads[position] ?? this.#balancing,
    );
    if (offersTheSame(before, after)) return undefined;
    resolution.desired.services[position] = after;
    return { before, after };
  }

  #checkHealth(service: Service, slices: readonly EndpointSlice[]): void {
    if (!isHealthChecked(service)) return;
    const check = healthCheckOf(service, slices, this.#nodeName);
    const { namespace, name, port } = check;
    this.#healthChecks = this.#healthChecks.map((each) =>
      each.port === port && each.namespace === namespace && each.name === name ? check : each,
    );
  }
}

function serviceOf({ namespace, labels }: EndpointSlice): string | undefined {
  const name = labels[SERVICE_NAME_LABEL];
  return name === undefined ? undefined : objectKey({ namespace, name });
}

function replaceSlice(
  slicesOf: Map<string, EndpointSlice[]>,
  service: string,
  key: string,
  slice: EndpointSlice | undefined,
): void {
  const others = (slicesOf.get(service) ?? []).filter((each) => objectKey(each) !== key);
  const left = slice ? [...others, slice] : others;
  if (left.length > 0) slicesOf.set(service, left);
  else slicesOf.delete(service);
}

/** The claims are the same, so frontends and selections correspond one by one. */
const offersTheSame = (before: DesiredService, after: DesiredService): boolean =>
  before.selections.every(({ contents }, index) => contents === after.selections[index]?.contents) &&
  before.frontends.every(({ noEndpoint }, index) => noEndpoint === after.frontends[index]?.noEndpoint);
