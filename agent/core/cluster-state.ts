// SPDX-License-Identifier: Apache-2.0
// Keeps the desired state while the cluster changes: made whole at first and when Services do, one Service at a time when endpoints do.

import type { Claim } from "./claims.ts";
import {
  type DesiredService,
  type DesiredState,
  type Resolution,
  resolveAll,
  resolveService,
  type ServiceInputs,
} from "./desired-state.ts";
import type { EndpointChange } from "./endpoint-planner.ts";
import { type HealthCheck, healthCheckOf, healthChecks, isHealthChecked } from "./health-checks.ts";
import { type EndpointSlice, objectKey, type Service, type Snapshot } from "./kubernetes-objects.ts";
import { DEFAULT_LOAD_BALANCING, type LoadBalancing } from "./load-balancing.ts";
import { type Backend, frontendId, type ServingFacts, sameBackend } from "./operation.ts";
import { askedAddresses, type ObjectChange } from "./relevance.ts";
import type { Steps } from "./steps.ts";

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
  *rebuild(snapshot: Snapshot, facts: ServingFacts): Steps<DesiredState> {
    // At once, so that what changes of Pods from here on is judged by it.
    this.#askedAddresses = askedAddresses(snapshot.services.objects.values());
    const earlier = this.#resolution;
    const resolution = yield* resolveAll(snapshot, {
      ...{ nodeName: this.#nodeName, balancing: this.#balancing, facts },
      reuse: (inputs) => earlier && this.#reuse(earlier, inputs),
    });
    this.#resolution = resolution;
    yield;
    this.#positions = new Map(resolution.services.map((service, position) => [objectKey(service), position]));
    this.#healthChecks = healthChecks(resolution.services, resolution.slicesOf, this.#nodeName);
    return resolution.desired;
  }

  /** Follows changes of EndpointSlices since `rebuild`; says which Services they make a difference to. */
  changeSlices(changes: Iterable<ObjectChange<EndpointSlice>>): EndpointChange[] {
    const resolution = this.#resolution;
    if (!resolution) throw new Error("changes have no meaning before the first whole state");
    const touched = new Set<string>();
    for (const { before, after } of changes) {
      for (const slice of [before, after]) {
        if (!slice || slice.service === "") continue;
        replaceSlice(resolution.slicesOf, slice.service, objectKey(slice), slice === after ? slice : undefined);
        touched.add(slice.service);
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
    const resolved = resolveService({ ...inputsAt(resolution, position, service), slices });
    if (offersTheSame(before, resolved)) return undefined;
    const after = withObjectsOf(before, resolved);
    resolution.desired.services[position] = after;
    return { before, after };
  }

  /** The objects are never changed in place, so the same ones mean the same; a new list brings new ones. */
  #reuse(earlier: Resolution, inputs: ServiceInputs): DesiredService | undefined {
    const position = this.#positions.get(objectKey(inputs.service));
    const known = position === undefined ? undefined : earlier.services[position];
    if (position === undefined || !known || known !== inputs.service) return undefined;
    return sameInputs(inputsAt(earlier, position, known), inputs) ? earlier.desired.services[position] : undefined;
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

function inputsAt(resolution: Resolution, position: number, service: Service): ServiceInputs {
  const { claims, slicesOf, location, spreads } = resolution;
  const spread = spreads[position];
  if (!spread) throw new Error(`Service ${objectKey(service)} has no place in what was resolved`);
  return { service, claims: claims[position] ?? [], slices: slicesOf.get(objectKey(service)) ?? [], location, spread };
}

/** Of one and the same Service object. */
function sameInputs(a: ServiceInputs, b: ServiceInputs): boolean {
  return (
    a.location.zone === b.location.zone &&
    a.spread.algorithm === b.spread.algorithm &&
    a.slices.length === b.slices.length &&
    a.slices.every((slice, index) => slice === b.slices[index]) &&
    a.claims.length === b.claims.length &&
    a.claims.every((claim, index) => sameClaim(claim, b.claims[index]))
  );
}

/** Policies and ranges follow from the Service, but which ports and addresses it has won does not. */
const sameClaim = (a: Claim, b: Claim | undefined): boolean =>
  b !== undefined && frontendId(a.key) === frontendId(b.key) && a.port === b.port && a.scope === b.scope;

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
  hasSameFrontends(before, after) &&
  keepsTheSame(before, after);

const keepsTheSame = ({ kept: before }: DesiredService, { kept: after }: DesiredService): boolean =>
  before.length === after.length &&
  before.every((backend, index) => {
    const now = after[index];
    return now !== undefined && sameBackend(backend, now);
  });

const hasSameFrontends = (before: DesiredService, after: DesiredService): boolean =>
  before.frontends.every(({ noEndpoint }, index) => noEndpoint === after.frontends[index]?.noEndpoint);

/** Means the same as `after`, and is made of what there was before: new objects that stay are the dear ones. */
function withObjectsOf(before: DesiredService, after: DesiredService): DesiredService {
  return {
    name: before.name,
    frontends: hasSameFrontends(before, after) ? before.frontends : after.frontends,
    selections: after.selections.map((selection, index) => {
      const old = before.selections[index];
      if (!old || old.contents === selection.contents) return old ?? selection;
      const { key, servicePort } = old;
      return { ...selection, key, servicePort, backends: withBackendsOf(old.backends, selection.backends) };
    }),
    kept: keepsTheSame(before, after) ? before.kept : withBackendsOf(before.kept, after.kept),
    sourceRanges: before.sourceRanges,
  };
}

/** Both are in one order. Where many have come or gone side by side, some equal ones may not be found. */
function withBackendsOf(before: readonly Backend[], after: readonly Backend[]): readonly Backend[] {
  let place = 0;
  return after.map((backend, index) => {
    const [same, next, following] = [before[place], before[place + 1], after[index + 1]];
    if (same && sameBackend(same, backend)) {
      place++;
      return same;
    }
    if (next && sameBackend(next, backend)) {
      place += 2;
      return next;
    }
    // One has come before `same`, or in its place.
    if (!same || !following || !sameBackend(same, following)) place++;
    return backend;
  });
}
