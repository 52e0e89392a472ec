// SPDX-License-Identifier: Apache-2.0
// Counts, from the API server's lists, the Services and endpoints that the agent of one node has to have in its maps.
import type { V1EndpointSlice, V1Service } from "@kubernetes/client-node";
import { desiredState } from "../core/desired-state.ts";
import {
  type Collection,
  type Identity,
  objectKey,
  readEndpointSlice,
  readService,
} from "../core/kubernetes-objects.ts";
import { backendId } from "../core/operation.ts";
import type { ObjectCounts } from "./agent-status.ts";

/** The Services and EndpointSlices that are this proxy's, as the API server listed them. */
export interface ProxiedObjects {
  readonly services: readonly V1Service[];
  readonly endpointSlices: readonly V1EndpointSlice[];
}

const collect = <T extends Identity>(objects: readonly T[]): Collection<T> => ({
  synced: true,
  objects: new Map(objects.map((object) => [objectKey(object), object])),
});

/** By the agent's own specification: endpoints differ between nodes where a traffic policy is Local. */
export const countObjects = ({ services, endpointSlices }: ProxiedObjects, node: string): ObjectCounts => {
  const snapshot = {
    services: collect(services.map(readService)),
    endpointSlices: collect(endpointSlices.map(readEndpointSlice)),
    nodes: collect([]),
  };
  const desired = desiredState(snapshot, node).services;
  const backends = desired.flatMap(({ selections }) => selections.flatMap((selection) => selection.backends));
  return { services: desired.length, endpoints: new Set(backends.map(backendId)).size };
};
