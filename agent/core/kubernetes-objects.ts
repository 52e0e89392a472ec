// SPDX-License-Identifier: Apache-2.0
// The parts of Service, EndpointSlice and Node that decide what the kernel holds, read leniently from the API's JSON.

export interface Identity {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  /** RFC 3339 in UTC, so that text order is time order. */
  readonly creationTimestamp: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface ServicePort {
  readonly name: string;
  readonly protocol: string;
  readonly port: number;
  /** 0 when none is allocated. */
  readonly nodePort: number;
}

export interface Service extends Identity {
  readonly type: string;
  readonly clusterIPs: readonly string[];
  readonly externalIPs: readonly string[];
  readonly ports: readonly ServicePort[];
  readonly internalTrafficPolicy: string;
  readonly externalTrafficPolicy: string;
  readonly sessionAffinity: string;
  readonly loadBalancerSourceRanges: readonly string[];
  readonly ingress: readonly { readonly ip: string; readonly ipMode: string }[];
}

export interface Endpoint {
  readonly addresses: readonly string[];
  readonly nodeName: string;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
}

export interface EndpointSlice extends Identity {
  readonly addressType: string;
  readonly ports: readonly { readonly name: string; readonly protocol: string; readonly port: number }[];
  readonly endpoints: readonly Endpoint[];
}

export interface Node extends Identity {
  readonly podCidrs: readonly string[];
  readonly internalIps: readonly string[];
  readonly externalIps: readonly string[];
}

/** Objects of one kind by `namespace/name`. `synced` says that the first list of this kind is complete. */
export interface Collection<T> {
  readonly synced: boolean;
  readonly objects: ReadonlyMap<string, T>;
}

export interface Snapshot {
  readonly services: Collection<Service>;
  readonly endpointSlices: Collection<EndpointSlice>;
  readonly nodes: Collection<Node>;
}

export const SERVICE_NAME_LABEL = "kubernetes.io/service-name";
export const SERVICE_PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name";

export const objectKey = (object: { readonly namespace: string; readonly name: string }): string =>
  `${object.namespace}/${object.name}`;

export const isComplete = (snapshot: Snapshot): boolean =>
  snapshot.services.synced && snapshot.endpointSlices.synced && snapshot.nodes.synced;

export function readService(json: unknown): Service {
  const spec = record(record(json)["spec"]);
  const balancer = record(record(record(json)["status"])["loadBalancer"]);
  const clusterIPs = texts(spec["clusterIPs"]);
  return {
    ...readIdentity(json),
    type: text(spec["type"]) || "ClusterIP",
    clusterIPs: clusterIPs.length > 0 ? clusterIPs : [text(spec["clusterIP"])].filter((ip) => ip !== ""),
    externalIPs: texts(spec["externalIPs"]),
    ports: list(spec["ports"]).map((port) => ({
      name: text(port["name"]),
      protocol: text(port["protocol"]) || "TCP",
      port: integer(port["port"]),
      nodePort: integer(port["nodePort"]),
    })),
    internalTrafficPolicy: text(spec["internalTrafficPolicy"]) || "Cluster",
    externalTrafficPolicy: text(spec["externalTrafficPolicy"]) || "Cluster",
    sessionAffinity: text(spec["sessionAffinity"]) || "None",
    loadBalancerSourceRanges: texts(spec["loadBalancerSourceRanges"]),
    ingress: list(balancer["ingress"])
      .map((ingress) => ({ ip: text(ingress["ip"]), ipMode: text(ingress["ipMode"]) || "VIP" }))
      .filter((ingress) => ingress.ip !== ""),
  };
}

export function readEndpointSlice(json: unknown): EndpointSlice {
  const body = record(json);
  return {
    ...readIdentity(json),
    addressType: text(body["addressType"]),
    ports: list(body["ports"])
      .map((port) => ({
        name: text(port["name"]),
        protocol: text(port["protocol"]) || "TCP",
        port: integer(port["port"]),
      }))
      .filter((port) => port.port > 0),
    endpoints: list(body["endpoints"]).map((endpoint) => {
      const conditions = record(endpoint["conditions"]);
      // The API's defaults: unknown readiness counts as ready, unknown serving follows ready.
      const ready = conditions["ready"] !== false;
      const serving = typeof conditions["serving"] === "boolean" ? conditions["serving"] : ready;
      return {
        addresses: texts(endpoint["addresses"]),
        nodeName: text(endpoint["nodeName"]),
        ready,
        serving,
        terminating: conditions["terminating"] === true,
      };
    }),
  };
}

export function readNode(json: unknown): Node {
  const spec = record(record(json)["spec"]);
  const addresses = list(record(record(json)["status"])["addresses"]);
  const ofType = (type: string) =>
    addresses.filter((address) => text(address["type"]) === type).map((address) => text(address["address"]));
  const podCidrs = texts(spec["podCIDRs"]);
  return {
    ...readIdentity(json),
    podCidrs: podCidrs.length > 0 ? podCidrs : [text(spec["podCIDR"])].filter((cidr) => cidr !== ""),
    internalIps: ofType("InternalIP"),
    externalIps: ofType("ExternalIP"),
  };
}

function readIdentity(json: unknown): Identity {
  const metadata = record(record(json)["metadata"]);
  const labels: Record<string, string> = {};
  for (const [key, value] of Object.entries(record(metadata["labels"]))) labels[key] = text(value);
  return {
    namespace: text(metadata["namespace"]),
    name: text(metadata["name"]),
    uid: text(metadata["uid"]),
    resourceVersion: text(metadata["resourceVersion"]),
    creationTimestamp: text(metadata["creationTimestamp"]),
    labels,
  };
}

type Json = Readonly<Record<string, unknown>>;

const record = (value: unknown): Json =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};
const list = (value: unknown): Json[] => (Array.isArray(value) ? value.map(record) : []);
const text = (value: unknown): string => (typeof value === "string" ? value : "");
const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
const integer = (value: unknown): number => (typeof value === "number" && Number.isInteger(value) ? value : 0);
