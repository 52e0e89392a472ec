// SPDX-License-Identifier: Apache-2.0
// Counts, from the API server's lists, the Services and endpoints that the agent of one node has to have in its maps.
import type { V1EndpointSlice, V1Node, V1Pod, V1Service } from "@kubernetes/client-node";
import { desiredState } from "../core/desired-state.ts";
import {
  type Collection,
  type Named,
  objectKey,
  readEndpointSlice,
  readNode,
  readPod,
  readService,
} from "../core/kubernetes-objects.ts";
import { backendId } from "../core/operation.ts";
import type { ObjectCounts } from "./agent-status.ts";

/** The Services and EndpointSlices that are this proxy's, and the nodes, as the API server listed them. */
export interface ProxiedObjects {
  readonly services: readonly V1Service[];
  readonly endpointSlices: readonly V1EndpointSlice[];
  readonly nodes: readonly V1Node[];
}

const collect = <T extends Named>(objects: readonly T[]): Collection<T> => ({
  synced: true,
  objects: new Map(objects.map((object) => [objectKey(object), object])),
});

/** By the agent's own specification: policies, zones and the node's own Pods with host ports make nodes differ. */
export const countObjects = (objects: ProxiedObjects, node: string, podsOnNode: readonly V1Pod[]): ObjectCounts => {
  const snapshot = {
    services: collect(objects.services.map(readService)),
    endpointSlices: collect(objects.endpointSlices.map(readEndpointSlice)),
    nodes: collect(objects.nodes.map(readNode)),
    pods: collect(podsOnNode.map(readPod)),
  };
  const desired = desiredState(snapshot, node).services;
  const backends = desired.flatMap(({ selections }) => selections.flatMap((selection) => selection.backends));
  return { services: desired.length, endpoints: new Set(backends.map(backendId)).size };
};
