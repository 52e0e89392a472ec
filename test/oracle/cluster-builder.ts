// SPDX-License-Identifier: Apache-2.0
// Small clusters for tests of the oracle itself: a Service is whole, a test says what is special about it.
import type { Cluster, EndpointObject, EndpointSliceObject, ServiceObject } from "./objects.ts";
import { SERVICE_NAME } from "./objects.ts";
import type { Probe } from "./probe.ts";

interface Special {
  readonly spec?: Partial<ServiceObject["spec"]>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly ingress?: ServiceObject["status"]["loadBalancer"]["ingress"];
}

/** A TCP Service at 10.96.0.10:80, NodePort 30080. */
export const serviceOf = (name: string, { spec, labels = {}, ingress = [] }: Special = {}): ServiceObject => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name, namespace: "ns", labels },
  spec: {
    type: "LoadBalancer",
    clusterIP: "10.96.0.10",
    clusterIPs: ["10.96.0.10"],
    ports: [{ name: "http", protocol: "TCP", port: 80, targetPort: 8080, nodePort: 30_080 }],
    ...spec,
  },
  status: { loadBalancer: { ingress } },
});

/** Ready, of the node under test, unless told. */
export const endpointOf = (address: string, more: Partial<EndpointObject> = {}): EndpointObject => ({
  addresses: [address],
  nodeName: "node-1",
  conditions: {},
  ...more,
});

export const sliceOf = (
  service: string,
  endpoints: readonly EndpointObject[],
  more: Partial<EndpointSliceObject> = {},
): EndpointSliceObject => ({
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  metadata: { name: `${service}-0`, namespace: "ns", labels: { [SERVICE_NAME]: service } },
  addressType: "IPv4",
  ports: [{ name: "http", protocol: "TCP", port: 8080 }],
  endpoints,
  ...more,
});

export const clusterOf = (services: readonly ServiceObject[], ...endpointSlices: EndpointSliceObject[]): Cluster => ({
  services,
  endpointSlices,
});

/** A pod that asks the ClusterIP of `serviceOf`, unless told. */
export const probeOf = (more: Partial<Probe> = {}): Probe => ({
  from: "pod",
  protocol: "tcp",
  address: "10.96.0.10",
  port: 80,
  target: "ClusterIP",
  ...more,
});
