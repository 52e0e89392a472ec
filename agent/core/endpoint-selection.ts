// SPDX-License-Identifier: Apache-2.0
// Selects the endpoints of one Service port as kube-proxy does, and says of each why it is in or out.

import type { IpFamily } from "./ip-address.ts";
import type { EndpointSlice } from "./kubernetes-objects.ts";
import { type Backend, backendId, isDatagram, type Protocol } from "./operation.ts";

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

/** Sorted by `backendId`, with no endpoint twice. */
export interface SelectedEndpoints {
  readonly backends: readonly Backend[];
  /** Their `backendId`s. */
  readonly ids: readonly string[];
}

export interface EndpointSelection {
  readonly cluster: SelectedEndpoints;
  readonly local: SelectedEndpoints;
  /** Some endpoint of the cluster can be used by somebody: an empty `local` is then no lack of endpoints. */
  readonly any: boolean;
  /** Of UDP: all that serve. A flow that one of them has stays with it. */
  readonly kept: readonly Backend[];
}

export const PROTOCOL_NUMBERS: Readonly<Record<string, Protocol>> = { TCP: 6, UDP: 17, SCTP: 132 };

interface Candidate {
  readonly id: string;
  readonly backend: Backend;
  readonly nodeName: string;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly local: boolean;
  readonly zones: readonly string[];
  readonly nodes: readonly string[];
}

type Preference = "none" | "zone" | "node";

/** `slices` are the EndpointSlices of one Service, in any order. */
export function selectEndpoints(slices: Iterable<EndpointSlice>, query: PortQuery): EndpointSelection {
  const candidates = candidatesOf(slices, query);
  const { cluster, local } = verdictsOf(candidates, query);
  const selected = (verdict: (candidate: Candidate) => Verdict): SelectedEndpoints => {
    const chosen = candidates.filter((candidate) => verdict(candidate).selected);
    return { backends: chosen.map(({ backend }) => backend), ids: chosen.map(({ id }) => id) };
  };
  return {
    cluster: selected(cluster),
    local: selected(local),
    any: candidates.some((candidate) => candidate.ready || isDraining(candidate)),
    kept: candidates.flatMap(({ backend, ready, serving }) =>
      isDatagram(backend) && (ready || serving) ? backend : [],
    ),
  };
}

/** The same, with the reason of each; sorted by `backendId`, too. */
export const judgeEndpoints = (slices: Iterable<EndpointSlice>, query: PortQuery): JudgedEndpoint[] =>
  judge(candidatesOf(slices, query), query);

function judge(candidates: readonly Candidate[], query: PortQuery): JudgedEndpoint[] {
  const { cluster, local } = verdictsOf(candidates, query);
  return candidates.map((candidate) => ({
    backend: candidate.backend,
    nodeName: candidate.nodeName,
    cluster: cluster(candidate),
    local: local(candidate),
  }));
}

/** How each of these is judged among them, for either policy. */
function verdictsOf(candidates: readonly Candidate[], query: PortQuery) {
  const preference = preferenceOf(candidates, query);
  const anyReady = candidates.some((candidate) => candidate.ready);
  const anyReadyHere = candidates.some((candidate) => candidate.local && candidate.ready);
  return {
    cluster: (candidate: Candidate): Verdict =>
      topologyVerdict(candidate, preference, query) ?? conditionVerdict(candidate, anyReady),
    local: (candidate: Candidate): Verdict =>
      candidate.local ? conditionVerdict(candidate, anyReadyHere) : ON_ANOTHER_NODE,
  };
}

const isDraining = ({ serving, terminating }: Pick<Candidate, "serving" | "terminating">): boolean =>
  serving && terminating;

const READY: Verdict = { selected: true, why: "is ready" };
const ON_ANOTHER_NODE: Verdict = { selected: false, why: "is on another node" };

/** Ready endpoints; when there is none, those that still serve while they terminate. */
function conditionVerdict(candidate: Candidate, anyReady: boolean): Verdict {
  if (candidate.ready) return READY;
  if (!candidate.terminating) return { selected: false, why: "is not ready" };
  if (!candidate.serving) return { selected: false, why: "terminates and no longer serves" };
  if (anyReady) return { selected: false, why: "terminates while others are ready" };
  return { selected: true, why: "still serves while it terminates, and none is ready" };
}

function topologyVerdict(candidate: Candidate, preference: Preference, query: PortQuery): Verdict | undefined {
  if (!candidate.ready || preference === "none") return undefined;
  const [hints, wanted] = preference === "node" ? [candidate.nodes, query.nodeName] : [candidate.zones, query.zone];
  if (hints.includes(wanted)) return { selected: true, why: `is ready and hinted for ${preference} ${wanted}` };
  return { selected: false, why: `is ready, but hinted for ${preference} ${[...hints].sort().join(", ")}` };
}

/**
 * Hints count only when every ready endpoint carries one and some endpoint is meant for us: nodes before zones, else none.
 * So a Service whose slices are half updated, or that has nothing near, is served from everywhere.
 */
function preferenceOf(candidates: readonly Candidate[], { nodeName, zone }: PortQuery): Preference {
  const applies = (hintsOf: (candidate: Candidate) => readonly string[], wanted: string): boolean => {
    let isMeant = false;
    for (const candidate of candidates) {
      if (!candidate.ready) continue;
      const hints = hintsOf(candidate);
      if (hints.length === 0) return false;
      isMeant ||= hints.includes(wanted);
    }
    return isMeant;
  };
  if (applies(({ nodes }) => nodes, nodeName)) return "node";
  return applies(({ zones }) => zones, zone) ? "zone" : "none";
}

/** Sorted by id. */
function candidatesOf(slices: Iterable<EndpointSlice>, query: PortQuery): Candidate[] {
  const found: Candidate[] = [];
  for (const slice of slices) collect(slice, query, found);
  // Of equal ones the earlier comes first.
  found.sort((a, b) => (a.id < b.id ? -1 : Number(a.id > b.id)));
  const distinct: Candidate[] = [];
  for (const candidate of found) {
    const last = distinct.at(-1);
    if (last?.id === candidate.id) distinct[distinct.length - 1] = merged(last, candidate);
    else distinct.push(candidate);
  }
  return distinct;
}

function collect(
  slice: EndpointSlice,
  { portName, protocol, family, nodeName: here }: PortQuery,
  into: Candidate[],
): void {
  if (slice.addressType !== `IPv${family}` || slice.headless) return;
  for (const each of slice.ports) {
    if (each.name !== portName || PROTOCOL_NUMBERS[each.protocol] !== protocol) continue;
    for (let index = 0; index < slice.endpoints.length; index++) {
      const { address, nodeName, ready, serving, terminating, zoneHints, nodeHints } = slice.endpoints.at(index);
      if (address === "") continue;
      const backend: Backend = { address, port: each.port, protocol };
      into.push({
        id: backendId(backend),
        backend,
        nodeName,
        ready,
        serving,
        terminating,
        local: here !== "" && nodeName === here,
        zones: zoneHints,
        nodes: nodeHints,
      });
    }
  }
}

/** An endpoint listed by two slices (it moves between them) is as usable as the better of the two says. */
function merged(a: Candidate, b: Candidate): Candidate {
  const draining = isDraining(a) || isDraining(b);
  return {
    ...b,
    nodeName: b.nodeName || a.nodeName,
    ready: a.ready || b.ready,
    serving: draining || a.serving || b.serving,
    terminating: draining || (a.terminating && b.terminating),
    local: a.local || b.local,
    zones: [...new Set([...b.zones, ...a.zones])],
    nodes: [...new Set([...b.nodes, ...a.nodes])],
  };
}
