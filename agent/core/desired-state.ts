// SPDX-License-Identifier: Apache-2.0
// Turns what the API server says into what the kernel should hold: frontends, the endpoints each leads to, and who wins a conflict.

import { type Claim, settleClaims, type TrafficPolicy } from "./claims.ts";
import { type EndpointSelection, selectEndpoints } from "./endpoint-selection.ts";
import { addressRules } from "./external-address.ts";
import { hostPortServices } from "./host-ports.ts";
import { parseIp } from "./ip-address.ts";
import {
  API_SERVER_SERVICE,
  type EndpointSlice,
  type Node,
  objectKey,
  type Service,
  type Snapshot,
  isComplete as snapshotIsComplete,
} from "./kubernetes-objects.ts";
import {
  type Algorithm,
  algorithmOf,
  cellsOf,
  contentsOf,
  DEFAULT_LOAD_BALANCING,
  type LoadBalancing,
  returnsDirectly,
} from "./load-balancing.ts";
import type { ApiEndpoint, Backend, FrontendKey, FrontendScope, NoEndpointVerdict, ServingFacts } from "./operation.ts";
import type { Problem } from "./problem.ts";
import { sourceRangesOf } from "./source-ranges.ts";
import { finish, type Steps } from "./steps.ts";

/** A Service has a few endpoints, most of the time. */
const SERVICES_OF_A_STEP = 16;
const SLICES_OF_A_STEP = 1000;

export interface DesiredSelection {
  /** Names the Service port, the family and the policy; stable while they are. */
  readonly key: string;
  readonly servicePort: string;
  /** Sorted by `backendId`, no duplicates. */
  readonly backends: readonly Backend[];
  /** Cells of its extent: one for each backend, or those of a Maglev table. */
  readonly cells: number;
  /** Both as one text: equal contents are equal extents. */
  readonly contents: string;
}

export interface DesiredFrontend {
  readonly key: FrontendKey;
  readonly scope: FrontendScope;
  readonly servicePort: string;
  /** Keys of the selections it uses: for sockets and Pods of the cluster, and for packets from outside. */
  readonly selection: string;
  readonly externalSelection: string;
  readonly noEndpoint: NoEndpointVerdict;
  readonly affinitySeconds: number;
  readonly sourceRanges: boolean;
  readonly algorithm: Algorithm;
  readonly dsr: boolean;
}

export interface DesiredService {
  /** `namespace/name`, or `pod/namespace/name` for the host ports of a Pod. */
  readonly name: string;
  readonly frontends: readonly DesiredFrontend[];
  readonly selections: readonly DesiredSelection[];
  /** Endpoints of UDP that serve, selected or not: what goes to them already may go on. Some may be in it twice. */
  readonly kept: readonly Backend[];
  /** For its frontends that have `sourceRanges` set; canonical networks. */
  readonly sourceRanges: readonly { readonly servicePort: string; readonly cidr: string }[];
}

export interface DesiredState {
  /** False until every kind has completed its first list: nothing may be planned from it. */
  readonly complete: boolean;
  readonly services: readonly DesiredService[];
  readonly problems: readonly Problem[];
}

/** `nodeName` is this node, `facts` what it knows beside the objects: its addresses need not hold what its Node says. */
export function desiredState(
  snapshot: Snapshot,
  nodeName: string,
  facts: ServingFacts = {},
  balancing: LoadBalancing = DEFAULT_LOAD_BALANCING,
): DesiredState {
  return finish(resolveAll(snapshot, { nodeName, facts, balancing })).desired;
}

export interface Location {
  readonly nodeName: string;
  readonly zone: string;
}

/** How the endpoints of one Service are spread, and its answers sent. */
export type Spread = LoadBalancing;

/** A desired state with what it was made from, in the order of its Services; those of Pods come after them. */
export interface Resolution {
  readonly desired: DesiredState & { readonly services: DesiredService[] };
  readonly services: readonly Service[];
  readonly claims: readonly (readonly Claim[])[];
  readonly spreads: readonly Spread[];
  readonly slicesOf: Map<string, EndpointSlice[]>;
  readonly location: Location;
}

export interface ResolveOptions {
  readonly nodeName: string;
  readonly facts: ServingFacts;
  readonly balancing: LoadBalancing;
  /** What an earlier resolution has made of the very same objects and claims, or undefined. */
  readonly reuse?: (inputs: ServiceInputs) => DesiredService | undefined;
}

/** All that decides what one Service is served as. */
export interface ServiceInputs {
  readonly service: Service;
  readonly claims: readonly Claim[];
  readonly slices: readonly EndpointSlice[];
  readonly location: Location;
  readonly spread: Spread;
}

/** The snapshot may go on changing meanwhile: an object may be seen as it was or as it is. */
export function* resolveAll(
  snapshot: Snapshot,
  { nodeName, facts, balancing, reuse }: ResolveOptions,
): Steps<Resolution> {
  const problems: Problem[] = [];
  const services = [...snapshot.services.objects.values()].filter(isServed).sort(byAge);
  yield;
  const slicesOf = yield* indexSlices(snapshot.endpointSlices.objects.values());
  const own = [...snapshot.nodes.objects.values()].find((node) => node.name === nodeName);
  const nodeAddresses = addressesOfNode(own, facts.nodeAddresses ?? []);
  const isComplete = snapshotIsComplete(snapshot);
  yield;
  const apiEndpoints = [...(facts.apiEndpoints ?? []), ...endpointsOf(slicesOf.get(API_SERVER_SERVICE) ?? [])];
  const rules = addressRules(snapshot, services, { ...facts, nodeAddresses, apiEndpoints });
  const claims = yield* settleClaims(services, rules, problems);
  const location = { nodeName, zone: own?.zone ?? "" };
  const spreads = services.map((each) => ({ ...balancing, algorithm: algorithmOf(each, balancing, problems) }));
  const served: DesiredService[] = [];
  for (const [index, service] of services.entries()) {
    const slices = slicesOf.get(objectKey(service)) ?? [];
    const inputs = { service, claims: claims[index] ?? [], slices, location, spread: spreads[index] ?? balancing };
    served.push(reuse?.(inputs) ?? resolveService(inputs));
    if (index % SERVICES_OF_A_STEP === 0) yield;
  }
  const pods = [...(snapshot.pods?.objects.values() ?? [])];
  const all = [...served, ...hostPortServices(pods, nodeAddresses, rules, served, problems)];
  const desired = { complete: isComplete, services: all, problems };
  return { desired, services, claims, spreads, slicesOf, location };
}

/** Headless and ExternalName Services need no proxy; a labelled one belongs to another proxy. */
export function isServed(service: Service): boolean {
  const [first] = service.clusterIPs;
  return service.type !== "ExternalName" && first !== undefined && first !== "None" && !service.forOthers;
}

function addressesOfNode(own: Node | undefined, deviceAddresses: readonly string[]): string[] {
  const all = [...(own?.internalIps ?? []), ...(own?.externalIps ?? []), ...deviceAddresses];
  return [...new Set(all.flatMap((address) => parseIp(address)?.text ?? []))].sort();
}

const endpointsOf = (slices: readonly EndpointSlice[]): ApiEndpoint[] =>
  slices.flatMap(({ endpoints, ports }) =>
    [...endpoints].flatMap(({ address }) => ports.map(({ port }) => ({ address, port }))),
  );

function byAge(a: Service, b: Service): number {
  if (a.creationTimestamp !== b.creationTimestamp) return a.creationTimestamp < b.creationTimestamp ? -1 : 1;
  if (a.namespace !== b.namespace) return a.namespace < b.namespace ? -1 : 1;
  return a.name < b.name ? -1 : 1;
}

/** EndpointSlices by the `namespace/name` of their Service. */
export function* indexSlices(slices: Iterable<EndpointSlice>): Steps<Map<string, EndpointSlice[]>> {
  const index = new Map<string, EndpointSlice[]>();
  let seen = 0;
  for (const slice of slices) {
    if (++seen % SLICES_OF_A_STEP === 0) yield;
    if (slice.service === "") continue;
    const known = index.get(slice.service);
    if (known) known.push(slice);
    else index.set(slice.service, [slice]);
  }
  return index;
}

/** What a Service is served as, from the claims it has won and its own EndpointSlices. */
export function resolveService({ service, claims, slices, location, spread }: ServiceInputs): DesiredService {
  const { algorithm, maglevTableSize } = spread;
  const selections = new Map<string, DesiredSelection>();
  const ranges = sourceRangesOf(service, []);
  const sourceRanges = new Map<string, { servicePort: string; cidr: string }>();
  const affinitySeconds = service.sessionAffinity === "ClientIP" ? service.affinitySeconds : 0;
  const selected = new Map<string, EndpointSelection>();
  const frontends = claims.map((claim): DesiredFrontend => {
    const { family, port, key } = claim;
    const servicePort = `${objectKey(service)}:${port.name}/${port.protocol}`;
    const query = { ...location, portName: port.name, protocol: key.protocol, family };
    const endpoints = selected.get(`${servicePort}/v${family}`) ?? selectEndpoints(slices, query);
    selected.set(`${servicePort}/v${family}`, endpoints);
    const select = (policy: TrafficPolicy): string => {
      const selection = `${servicePort}/v${family}/${policy}`;
      if (selections.has(selection)) return selection;
      const { backends, ids } = endpoints[policy];
      const cells = cellsOf(backends.length, algorithm, maglevTableSize);
      const contents = contentsOf(ids, cells);
      selections.set(selection, { key: selection, servicePort, backends, cells, contents });
      return selection;
    };
    const allowed = ranges[family];
    for (const cidr of claim.sourceRanges && typeof allowed !== "string" ? allowed : [])
      sourceRanges.set(`${servicePort} ${cidr}`, { servicePort, cidr });
    return {
      key,
      scope: claim.scope,
      servicePort,
      selection: select(claim.policy),
      externalSelection: select(claim.externalPolicy),
      // The load balancer may be about to send this client elsewhere: a refusal would be final, a drop is tried again.
      noEndpoint: claim.externalPolicy === "local" && endpoints.any ? "drop" : "reject",
      affinitySeconds,
      sourceRanges: claim.sourceRanges,
      algorithm,
      dsr: returnsDirectly(spread, { ...claim, protocol: key.protocol, affinitySeconds }),
    };
  });
  return {
    name: objectKey(service),
    frontends,
    selections: [...selections.values()],
    kept: [...selected.values()].flatMap(({ kept }) => kept),
    sourceRanges: [...sourceRanges.values()],
  };
}
