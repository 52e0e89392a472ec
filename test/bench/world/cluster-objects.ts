// SPDX-License-Identifier: Apache-2.0
// The cluster that every setup is given: N Services with M endpoints each, at addresses that follow from their numbers.

export const SERVICE_PORT = 80;
export const BACKEND_PORT = 8080;
export const API_PORT = 6443;
export const SERVICE_NETWORK = "100.64.0.0/10";
/** As much of it as an API server takes: of its addresses the first is its own Service's. */
export const API_SERVICE_NETWORK = "100.64.0.0/12";
const API_SERVICE = "100.64.0.1";
export const BACKEND_NETWORK = "10.128.0.0/9";
/** After those that an API server keeps for itself. */
const FIRST_SERVICE = 0x64_40_01_00;
const FIRST_BACKEND = 0x0a_80_00_00;
/** Backends of the one Service whose endpoint moves, and after them those of churn; far from all others. */
const FIRST_MOVING = 0x0a_ff_00_00;
const MOST_PLACES = 1_000;
const FIRST_BALANCER = 0xcb_00_71_01;
const ENDPOINTS_PER_SLICE = 100;
const CREATED = "2026-01-01T00:00:00Z";
export const NAMESPACE = "bench";

export interface ClusterShape {
  readonly services: number;
  /** Endpoints of each Service. */
  readonly endpoints: number;
  /** Also the Service that an API server makes for itself. */
  readonly apiService?: boolean;
}

export interface ClusterNode {
  readonly name: string;
  readonly address: string;
}

export interface KubernetesObject {
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly [field: string]: unknown };
  readonly [field: string]: unknown;
}

export const dotted = (address: number): string => [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join(".");

export const addressNumber = (address: string): number =>
  address.split(".").reduce((number, part) => number * 256 + Number(part), 0);

export const serviceAddress = (service: number): string => dotted(FIRST_SERVICE + service);
export const serviceNumber = (address: string): number => addressNumber(address) - FIRST_SERVICE;
export const backendAddress = (shape: ClusterShape, service: number, endpoint = 0): string =>
  dotted(FIRST_BACKEND + service * shape.endpoints + endpoint);
/** The Service whose endpoint moves comes after the last one. */
export const movingService = (shape: ClusterShape): number => shape.services;
export const movingBackend = (place: number): string => dotted(FIRST_MOVING + place);
/** What a churned Service has in place of its first backend, every second time. */
export const churnedBackend = (service: number): string => dotted(FIRST_MOVING + MOST_PLACES + (service % 1000));

export type Position = "first" | "middle" | "last";
export const positions: readonly Position[] = ["first", "middle", "last"];

export const serviceAt = ({ services }: ClusterShape, position: Position): number =>
  ({ first: 0, middle: Math.floor((services - 1) / 2), last: services - 1 })[position];

/** Only the probed Services have addresses for clients from outside, so that the others cost what a ClusterIP costs. */
export const balancerAddress = (position: Position): string => dotted(FIRST_BALANCER + positions.indexOf(position));
export const movingBalancer = dotted(FIRST_BALANCER + positions.length);

const balancersOf = (shape: ClusterShape, service: number): string[] =>
  service === movingService(shape)
    ? [movingBalancer]
    : positions.filter((position) => serviceAt(shape, position) === service).map(balancerAddress);

const identity = (name: string, version: number) => ({
  name,
  namespace: NAMESPACE,
  uid: `${name}-uid`,
  resourceVersion: String(version),
  creationTimestamp: CREATED,
});

const nameOf = (service: number): string => `service-${String(service).padStart(6, "0")}`;

export function serviceObject(shape: ClusterShape, service: number): KubernetesObject {
  const balancers = balancersOf(shape, service);
  const outside = balancers.length > 0;
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: identity(nameOf(service), 1),
    spec: {
      type: outside ? "LoadBalancer" : "ClusterIP",
      ...(outside ? { allocateLoadBalancerNodePorts: false, externalTrafficPolicy: "Cluster" } : {}),
      clusterIP: serviceAddress(service),
      clusterIPs: [serviceAddress(service)],
      ipFamilies: ["IPv4"],
      ipFamilyPolicy: "SingleStack",
      internalTrafficPolicy: "Cluster",
      sessionAffinity: "None",
      ports: [{ name: "http", protocol: "TCP", port: SERVICE_PORT, targetPort: BACKEND_PORT }],
      selector: { app: nameOf(service) },
    },
    status: { loadBalancer: outside ? { ingress: balancers.map((ip) => ({ ip, ipMode: "VIP" })) } : {} },
  };
}

/** As an API server makes it; with no endpoints, as nobody writes them here. */
const apiServiceObject: KubernetesObject = {
  apiVersion: "v1",
  kind: "Service",
  metadata: {
    ...{ name: "kubernetes", namespace: "default", uid: "kubernetes-uid", resourceVersion: "1" },
    ...{ creationTimestamp: CREATED, labels: { component: "apiserver", provider: "kubernetes" } },
  },
  spec: {
    ...{ type: "ClusterIP", clusterIP: API_SERVICE, clusterIPs: [API_SERVICE], ipFamilies: ["IPv4"] },
    ...{ ipFamilyPolicy: "SingleStack", internalTrafficPolicy: "Cluster", sessionAffinity: "None" },
    ports: [{ name: "https", protocol: "TCP", port: 443, targetPort: API_PORT }],
  },
  status: { loadBalancer: {} },
};

/** All, with the moving one last of those that are numbered. */
export const servicesOf = (shape: ClusterShape): KubernetesObject[] => [
  ...Array.from({ length: shape.services + 1 }, (_, service) => serviceObject(shape, service)),
  ...(shape.apiService ? [apiServiceObject] : []),
];

export function sliceObject(
  service: number,
  addresses: readonly string[],
  version: number,
  part = 0,
  triggered?: string,
): KubernetesObject {
  const name = nameOf(service);
  const annotations = triggered === undefined ? {} : { "endpoints.kubernetes.io/last-change-trigger-time": triggered };
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      ...identity(`${name}-${part}`, version),
      annotations,
      labels: {
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        "kubernetes.io/service-name": name,
      },
      ownerReferences: [
        { apiVersion: "v1", kind: "Service", name, uid: `${name}-uid`, controller: true, blockOwnerDeletion: true },
      ],
    },
    addressType: "IPv4",
    ports: [{ name: "http", protocol: "TCP", port: BACKEND_PORT }],
    endpoints: addresses.map((address) => ({
      addresses: [address],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: "elsewhere",
      targetRef: {
        kind: "Pod",
        namespace: NAMESPACE,
        name: `pod-${address.replaceAll(".", "-")}`,
        uid: `${address}-uid`,
      },
    })),
  };
}

/** The slices of one Service as they are at first. */
export function slicesOf(shape: ClusterShape, service: number): KubernetesObject[] {
  if (service === movingService(shape)) return [sliceObject(service, [movingBackend(0)], 1)];
  const addresses = Array.from({ length: shape.endpoints }, (_, at) => backendAddress(shape, service, at));
  const slices: KubernetesObject[] = [];
  for (let at = 0; at < addresses.length; at += ENDPOINTS_PER_SLICE)
    slices.push(sliceObject(service, addresses.slice(at, at + ENDPOINTS_PER_SLICE), 1, slices.length));
  return slices;
}

export const nodeObject = ({ name, address }: ClusterNode): KubernetesObject => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: { name, uid: `${name}-uid`, resourceVersion: "1", creationTimestamp: CREATED, labels: {} },
  spec: { podCIDR: "10.244.1.0/24", podCIDRs: ["10.244.1.0/24"] },
  status: { addresses: [{ type: "InternalIP", address }] },
});
