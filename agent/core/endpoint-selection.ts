// SPDX-License-Identifier: Apache-2.0
// Decides which endpoints of a Service port new connections may reach: readiness, the terminating fallback, ports, locality.

import { type IpFamily, parseIp } from "./ip-address.ts";
import type { EndpointSlice } from "./kubernetes-objects.ts";
import { SERVICE_PROXY_NAME_LABEL } from "./kubernetes-objects.ts";
import { type Backend, backendId, type Protocol } from "./operation.ts";

export interface PortQuery {
  /** The Service port's name; slices carry the number it stands for, and each slice may carry another one. */
  readonly portName: string;
  readonly protocol: Protocol;
  readonly family: IpFamily;
  readonly nodeName: string;
}

/** Both answers are sorted by `backendId` and hold no endpoint twice. */
export interface EndpointSelection {
  /** For traffic policy `Cluster`. */
  readonly cluster: readonly Backend[];
  /** For traffic policy `Local`: endpoints of this node, with a terminating fallback of its own. */
  readonly local: readonly Backend[];
}

export const PROTOCOL_NUMBERS: Readonly<Record<string, Protocol>> = { TCP: 6, UDP: 17 };

interface Candidate {
  readonly backend: Backend;
  ready: boolean;
  servingTerminating: boolean;
  local: boolean;
}

/** `slices` are the EndpointSlices of one Service, in any order. */
export function selectEndpoints(slices: Iterable<EndpointSlice>, query: PortQuery): EndpointSelection {
  const candidates = new Map<string, Candidate>();
  for (const slice of slices) collect(slice, query, candidates);
  const sorted = [...candidates].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, candidate]) => candidate);
  return { cluster: usable(sorted), local: usable(sorted.filter((candidate) => candidate.local)) };
}

/** Ready endpoints; when there is none, those that still serve while they terminate. */
function usable(candidates: readonly Candidate[]): Backend[] {
  const ready = candidates.filter((candidate) => candidate.ready);
  const chosen = ready.length > 0 ? ready : candidates.filter((candidate) => candidate.servingTerminating);
  return chosen.map((candidate) => candidate.backend);
}

function collect(slice: EndpointSlice, query: PortQuery, candidates: Map<string, Candidate>): void {
  if (slice.addressType !== `IPv${query.family}` || SERVICE_PROXY_NAME_LABEL in slice.labels) return;
  for (const slicePort of slice.ports) {
    if (slicePort.name !== query.portName || PROTOCOL_NUMBERS[slicePort.protocol] !== query.protocol) continue;
    for (const endpoint of slice.endpoints) {
      // Kubernetes defines the first address only; the rest are undefined.
      const address = parseIp(endpoint.addresses[0] ?? "");
      if (address?.family !== query.family) continue;
      const backend: Backend = { address: address.text, port: slicePort.port, protocol: query.protocol };
      const id = backendId(backend);
      const known = candidates.get(id);
      // An endpoint listed by two slices (it moves between them) is as usable as the better of the two says.
      candidates.set(id, {
        backend,
        ready: endpoint.ready || known?.ready === true,
        servingTerminating: (endpoint.serving && endpoint.terminating) || known?.servingTerminating === true,
        local: (query.nodeName !== "" && endpoint.nodeName === query.nodeName) || known?.local === true,
      });
    }
  }
}
