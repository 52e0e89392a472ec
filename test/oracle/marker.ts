// SPDX-License-Identifier: Apache-2.0
// A Service whose endpoints name a generation of objects: whoever serves it has taken in all that came before, and knows its zone.
import { NAMESPACE } from "./arbitrary-cluster.ts";
import { type EndpointSliceObject, SERVICE_NAME, type ServiceObject } from "./objects.ts";
import { endpointText, type Probe } from "./probe.ts";
import { HERE, PLACES, podAddress } from "./topology.ts";

/** The marker's port of generation n is this many above. */
const MARKER = 10_000;
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
  /** All packets of each must reach its backend: one for the other zone is there too, and is chosen while the node's is not known. */
  readonly probes: readonly { readonly probe: Probe; readonly backend: string }[];
}

const AT = { nodeName: PLACES[1].name, conditions: { ready: true } };
const near = (family: 4 | 6): string => podAddress(PLACES[1], 250, family);

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
      trafficDistribution: "PreferClose",
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
      { addresses: [near(family)], ...AT, hints: { forZones: [{ name: HERE.zone }] } },
      { addresses: [podAddress(PLACES[1], 251, family)], ...AT, hints: { forZones: [{ name: PLACES[2].zone }] } },
    ],
  });
  return {
    objects: [service, slice(4), slice(6)],
    probes: ([4, 6] as const).map((family, index) => ({
      probe: { from: "sandbox", protocol: "udp", address: ADDRESSES[index] ?? "", port, target: "marker" },
      backend: endpointText(near(family), port),
    })),
  };
}
