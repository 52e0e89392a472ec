// SPDX-License-Identifier: Apache-2.0
// A Service whose endpoints name a generation of objects: whoever serves it has taken in all that came before.
import { NAMESPACE } from "./arbitrary-cluster.ts";
import { type EndpointSliceObject, SERVICE_NAME, type ServiceObject } from "./objects.ts";
import type { Probe } from "./probe.ts";
import { PLACES, podAddress } from "./topology.ts";

/** The marker's port of generation n is this many above. */
export const MARKER = 10_000;
const NAME = "oracle-marker";
const ADDRESSES = ["10.96.255.1", "fd00:96::ff01"] as const;

const metadata = (name: string, labels: Record<string, string> = {}) => ({
  name,
  namespace: NAMESPACE,
  uid: `uid-${name}`,
  creationTimestamp: "2026-01-01T00:00:00Z",
  labels,
});

export interface Markers {
  /** To be written last. */
  readonly objects: readonly (ServiceObject | EndpointSliceObject)[];
  /** Both must reach the endpoint whose port is the Service's. */
  readonly probes: readonly Probe[];
}

/** The port's name and numbers change with the generation, so that the Service and its slices must be of the same one. */
export function markers(generation: number): Markers {
  const name = `generation-${generation}`;
  const port = MARKER + generation;
  const service: ServiceObject = {
    apiVersion: "v1",
    kind: "Service",
    metadata: metadata(NAME),
    spec: {
      type: "ClusterIP",
      clusterIP: ADDRESSES[0],
      clusterIPs: ADDRESSES,
      ipFamilies: ["IPv4", "IPv6"],
      ipFamilyPolicy: "RequireDualStack",
      ports: [{ name, protocol: "UDP", port, targetPort: port }],
    },
    status: { loadBalancer: {} },
  };
  const slice = (family: 4 | 6): EndpointSliceObject => ({
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: metadata(`${NAME}-${family}`, { [SERVICE_NAME]: NAME }),
    addressType: `IPv${family}`,
    ports: [{ name, protocol: "UDP", port }],
    endpoints: [
      { addresses: [podAddress(PLACES[1], 250, family)], nodeName: PLACES[1].name, conditions: { ready: true } },
    ],
  });
  return {
    objects: [service, slice(4), slice(6)],
    probes: ADDRESSES.map((address) => ({ from: "sandbox", protocol: "udp", address, port, target: "marker" })),
  };
}
