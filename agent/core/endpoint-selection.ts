// SPDX-License-Identifier: Apache-2.0
// Selects the endpoints of one Service port as kube-proxy does, and says of each why it is in or out.

import { type IpFamily, parseIp } from "./ip-address.ts";
import { type EndpointSlice, isHeadless } from "./kubernetes-objects.ts";
import { type Backend, backendId, type Protocol } from "./operation.ts";

export interface PortQuery {
  /** The Service port's name; slices carry the number it stands for, and each slice may carry another one. */
  readonly portName: string;
  readonly protocol: Protocol;
  readonly family: IpFamily;
  readonly nodeName: string;
  /** This node's zone; empty when it has none. */
  readonly zone: string;
}

/** Whether a selection holds an endpoint, and why. */
export interface Verdict {
  readonly selected: boolean;
  readonly why: string;
}

export interface JudgedEndpoint {
  readonly backend: Backend;
  readonly nodeName: string;
  /** For traffic policy `Cluster`. */
  readonly cluster: Verdict;
  /** For traffic policy `Local`: endpoints of this node, with a terminating fallback of its own. */
  readonly local: Verdict;
}

/** All lists are sorted by `backendId` and hold no endpoint twice. */
export interface EndpointSelection {
  readonly cluster: readonly Backend[];
  readonly local: readonly Backend[];
  /** Some endpoint of the cluster can be used by somebody: an empty `local` is then no lack of endpoints. */
  readonly any: boolean;
  readonly judged: readonly JudgedEndpoint[];
}

export const PROTOCOL_NUMBERS: Readonly<Record<string, Protocol>> = { TCP: 6, UDP: 17 };

interface Candidate {
  readonly backend: Backend;
  nodeName: string;
  ready: boolean;
  serving: boolean;
  terminating: boolean;
  local: boolean;
  zones: Set<string>;
  nodes: Set<string>;
}

type Preference = "none" | "zone" | "node";

/** `slices` are the EndpointSlices of one Service, in any order. */
export function selectEndpoints(slices: Iterable<EndpointSlice>, query: PortQuery): EndpointSelection {
  const found = new Map<string, Candidate>();
  for (const slice of slices) collect(slice, query, found);
  const candidates = [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, candidate]) => candidate);
  const here = candidates.filter((candidate) => candidate.local);
  const preference = preferenceOf(candidates, query);
  const anyReady = candidates.some((candidate) => candidate.ready);
  const anyReadyHere = here.some((candidate) => candidate.ready);
  const judged = candidates.map((candidate): JudgedEndpoint => {
    const { backend, nodeName, local } = candidate;
    return {
      backend,
      nodeName,
      cluster: topologyVerdict(candidate, preference, query) ?? conditionVerdict(candidate, anyReady),
      local: local ? conditionVerdict(candidate, anyReadyHere) : { selected: false, why: "is on another node" },
    };
  });
  const selected = (policy: "cluster" | "local") =>
    judged.filter((endpoint) => endpoint[policy].selected).map(({ backend }) => backend);
  return {
    cluster: selected("cluster"),
    local: selected("local"),
    any: candidates.some((candidate) => candidate.ready || isDraining(candidate)),
    judged,
  };
}

const isDraining = (candidate: Candidate): boolean => candidate.serving && candidate.terminating;

/** Ready endpoints; when there is none, those that still serve while they terminate. */
function conditionVerdict(candidate: Candidate, anyReady: boolean): Verdict {
  if (candidate.ready) return { selected: true, why: "is ready" };
  if (!candidate.terminating) return { selected: false, why: "is not ready" };
  if (!candidate.serving) return { selected: false, why: "terminates and no longer serves" };
  if (anyReady) return { selected: false, why: "terminates while others are ready" };
  return { selected: true, why: "still serves while it terminates, and none is ready" };
}

function topologyVerdict(candidate: Candidate, preference: Preference, query: PortQuery): Verdict | undefined {
  if (!candidate.ready || preference === "none") return undefined;
  const [hints, wanted] = preference === "node" ? [candidate.nodes, query.nodeName] : [candidate.zones, query.zone];
  if (hints.has(wanted)) return { selected: true, why: `is ready and hinted for ${preference} ${wanted}` };
  return { selected: false, why: `is ready, but hinted for ${preference} ${[...hints].sort().join(", ")}` };
}

/**
 * Hints count only when every ready endpoint carries one and some endpoint is meant for us: nodes before zones, else none.
 * So a Service whose slices are half updated, or that has nothing near, is served from everywhere.
 */
function preferenceOf(candidates: readonly Candidate[], { nodeName, zone }: PortQuery): Preference {
  const ready = candidates.filter((candidate) => candidate.ready);
  const applies = (hintsOf: (candidate: Candidate) => Set<string>, wanted: string) =>
    ready.every((candidate) => hintsOf(candidate).size > 0) &&
    ready.some((candidate) => hintsOf(candidate).has(wanted));
  if (applies(({ nodes }) => nodes, nodeName)) return "node";
  return applies(({ zones }) => zones, zone) ? "zone" : "none";
}

function collect(slice: EndpointSlice, query: PortQuery, candidates: Map<string, Candidate>): void {
  if (slice.addressType !== `IPv${query.family}` || isHeadless(slice)) return;
  for (const slicePort of slice.ports) {
    if (slicePort.name !== query.portName || PROTOCOL_NUMBERS[slicePort.protocol] !== query.protocol) continue;
    for (const endpoint of slice.endpoints) {
      // Kubernetes defines the first address only; the rest are undefined.
      const address = parseIp(endpoint.addresses[0] ?? "");
      if (address?.family !== query.family) continue;
      const backend: Backend = { address: address.text, port: slicePort.port, protocol: query.protocol };
      const known = candidates.get(backendId(backend));
      // An endpoint listed by two slices (it moves between them) is as usable as the better of the two says.
      const draining = (endpoint.serving && endpoint.terminating) || (known !== undefined && isDraining(known));
      candidates.set(backendId(backend), {
        backend,
        nodeName: endpoint.nodeName || known?.nodeName || "",
        ready: endpoint.ready || known?.ready === true,
        serving: draining || endpoint.serving || known?.serving === true,
        terminating: draining || (endpoint.terminating && known?.terminating !== false),
        local: (query.nodeName !== "" && endpoint.nodeName === query.nodeName) || known?.local === true,
        zones: new Set([...endpoint.zoneHints, ...(known?.zones ?? [])]),
        nodes: new Set([...endpoint.nodeHints, ...(known?.nodes ?? [])]),
      });
    }
  }
}
