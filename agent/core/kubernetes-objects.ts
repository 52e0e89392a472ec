// SPDX-License-Identifier: Apache-2.0
// The parts of Service, EndpointSlice, Node and Pod that decide what the kernel holds, read leniently from the API's JSON.

import { Endpoints } from "./endpoints.ts";
import { integer, type Json, list, record, text, texts } from "./json.ts";
import { TextPool } from "./text-pool.ts";

export interface Named {
  readonly namespace: string;
  readonly name: string;
}

export interface Identity extends Named {
  readonly uid: string;
  readonly resourceVersion: string;
  /** RFC 3339 in UTC, so that text order is time order. */
  readonly creationTimestamp: string;
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
  /** It needs no proxy, or belongs to another one, and says so by a label. */
  readonly forOthers: boolean;
  readonly clusterIPs: readonly string[];
  readonly externalIPs: readonly string[];
  readonly ports: readonly ServicePort[];
  readonly internalTrafficPolicy: string;
  readonly externalTrafficPolicy: string;
  readonly sessionAffinity: string;
  /** Of session affinity ClientIP. */
  readonly affinitySeconds: number;
  /** 0 when none is allocated. */
  readonly healthCheckNodePort: number;
  readonly loadBalancerSourceRanges: readonly string[];
  /** What the annotation `sansproxy.io/load-balancer-algorithm` says; empty when it says nothing. */
  readonly algorithm: string;
  readonly ingress: readonly { readonly ip: string; readonly ipMode: string }[];
}

export interface SlicePort {
  readonly name: string;
  readonly protocol: string;
  readonly port: number;
}

export interface EndpointSlice extends Named {
  /** When the change that the controller last wrote here began, in ms since 1970; 0 when it does not say. */
  readonly triggeredAt: number;
  /** `namespace/name` of its Service; empty when it has none. */
  readonly service: string;
  /** It says that its Service needs no proxy. That another proxy serves it is said by the Service alone, whose labels slices copy late. */
  readonly headless: boolean;
  readonly addressType: string;
  readonly ports: readonly SlicePort[];
  readonly endpoints: Endpoints;
}

export interface Node extends Identity {
  /** Empty when it has none. */
  readonly zone: string;
  readonly podCidrs: readonly string[];
  readonly internalIps: readonly string[];
  readonly externalIps: readonly string[];
  /** False while the Node is being deleted, or about to be by the cluster's autoscaler: load balancers should leave it. */
  readonly eligible: boolean;
}

export interface HostPort {
  /** As the Pod says it: empty for all addresses of the node. */
  readonly hostIp: string;
  readonly hostPort: number;
  readonly containerPort: number;
  readonly protocol: string;
}

export interface Pod extends Identity {
  readonly podIps: readonly string[];
  readonly hostPorts: readonly HostPort[];
  /** Neither ended nor in the host's network, where a host port is the process's own affair. */
  readonly hasOwnNetwork: boolean;
  readonly deleting: boolean;
  /** Empty for the cluster's default runtime. */
  readonly runtimeClassName: string;
  /** What the Pod's annotation `sansproxy.io/socket-lb` says; empty when it says nothing. */
  readonly socketLb: string;
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
  /** Pods of this node, for their host ports; left out by those who do not ask for these. */
  readonly pods?: Collection<Pod>;
}

export const SERVICE_NAME_LABEL = "kubernetes.io/service-name";
export const SERVICE_PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name";
/** Its endpoints are the API servers. */
export const API_SERVER_SERVICE = "default/kubernetes";
export const HEADLESS_LABEL = "service.kubernetes.io/headless";
export const ALGORITHM_ANNOTATION = "sansproxy.io/load-balancer-algorithm";
export const SOCKET_LB_ANNOTATION = "sansproxy.io/socket-lb";
const ZONE_LABEL = "topology.kubernetes.io/zone";

export const TRIGGER_TIME_ANNOTATION = "endpoints.kubernetes.io/last-change-trigger-time";
const TO_BE_DELETED_TAINT = "ToBeDeletedByClusterAutoscaler";
const DEFAULT_AFFINITY_SECONDS = 10_800;

export const objectKey = (object: Named): string => `${object.namespace}/${object.name}`;

const portLists = new TextPool((json) => JSON.parse(json) as readonly SlicePort[]);

export const isComplete = (snapshot: Snapshot): boolean =>
  snapshot.services.synced &&
  snapshot.endpointSlices.synced &&
  snapshot.nodes.synced &&
  snapshot.pods?.synced !== false;

export function readService(json: unknown): Service {
  const labels = readLabels(json);
  const spec = record(record(json)["spec"]);
  const balancer = record(record(record(json)["status"])["loadBalancer"]);
  const clusterIPs = texts(spec["clusterIPs"]);
  const clusterIP = text(spec["clusterIP"]);
  const { namespace, name, uid, resourceVersion, creationTimestamp } = readIdentity(json);
  return {
    // Not by a spread: its fields would lie in a second object.
    namespace,
    name,
    uid,
    resourceVersion,
    creationTimestamp,
    type: text(spec["type"]) || "ClusterIP",
    forOthers: SERVICE_PROXY_NAME_LABEL in labels || HEADLESS_LABEL in labels,
    clusterIPs: clusterIPs.length > 0 || clusterIP === "" ? clusterIPs : [clusterIP],
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
    affinitySeconds:
      integer(record(record(spec["sessionAffinityConfig"])["clientIP"])["timeoutSeconds"]) || DEFAULT_AFFINITY_SECONDS,
    healthCheckNodePort: integer(spec["healthCheckNodePort"]),
    algorithm: text(record(record(record(json)["metadata"])["annotations"])[ALGORITHM_ANNOTATION]),
    loadBalancerSourceRanges: texts(spec["loadBalancerSourceRanges"]),
    ingress: list(balancer["ingress"])
      .filter((ingress) => text(ingress["ip"]) !== "")
      .map((ingress) => ({ ip: text(ingress["ip"]), ipMode: text(ingress["ipMode"]) || "VIP" })),
  };
}

export function readEndpointSlice(json: unknown): EndpointSlice {
  const body = record(json);
  const metadata = record(body["metadata"]);
  const labels = readLabels(json);
  const namespace = text(metadata["namespace"]);
  const service = text(labels[SERVICE_NAME_LABEL]);
  const addressType = text(body["addressType"]);
  return {
    namespace,
    name: text(metadata["name"]),
    triggeredAt: readTime(text(record(metadata["annotations"])[TRIGGER_TIME_ANNOTATION])),
    service: service === "" ? "" : objectKey({ namespace, name: service }),
    headless: HEADLESS_LABEL in labels,
    addressType,
    ports: readSlicePorts(body["ports"]),
    endpoints: Endpoints.of(body["endpoints"], addressType),
  };
}

/** Those without a number mean nothing to a proxy. */
export function readSlicePorts(json: unknown): readonly SlicePort[] {
  const ports = list(json).map((port) => ({
    name: text(port["name"]),
    protocol: text(port["protocol"]) || "TCP",
    port: integer(port["port"]),
  }));
  return portLists.get(JSON.stringify(ports.filter(({ port }) => port > 0)));
}

export function readNode(json: unknown): Node {
  const spec = record(record(json)["spec"]);
  const addresses = list(record(record(json)["status"])["addresses"]);
  const ofType = (type: string) =>
    addresses.filter((address) => text(address["type"]) === type).map((address) => text(address["address"]));
  const podCidrs = texts(spec["podCIDRs"]);
  return {
    ...readIdentity(json),
    zone: text(readLabels(json)[ZONE_LABEL]),
    podCidrs: podCidrs.length > 0 ? podCidrs : [text(spec["podCIDR"])].filter((cidr) => cidr !== ""),
    internalIps: ofType("InternalIP"),
    externalIps: ofType("ExternalIP"),
    eligible:
      record(record(json)["metadata"])["deletionTimestamp"] === undefined &&
      !list(spec["taints"]).some((taint) => taint["key"] === TO_BE_DELETED_TAINT),
  };
}

export function readPod(json: unknown): Pod {
  const spec = record(record(json)["spec"]);
  const status = record(record(json)["status"]);
  const podIps = list(status["podIPs"]).map(({ ip }) => text(ip));
  // An init container with restart policy Always is a sidecar: it runs beside the others and has ports as they do.
  const sidecars = list(spec["initContainers"]).filter((container) => container["restartPolicy"] === "Always");
  const ports = [...list(spec["containers"]), ...sidecars].flatMap((container) => list(container["ports"]));
  return {
    ...readIdentity(json),
    podIps: podIps.length > 0 ? podIps : [text(status["podIP"])].filter((ip) => ip !== ""),
    hostPorts: ports
      .map((port) => ({
        hostIp: text(port["hostIP"]),
        hostPort: integer(port["hostPort"]),
        containerPort: integer(port["containerPort"]),
        protocol: text(port["protocol"]) || "TCP",
      }))
      .filter(({ hostPort, containerPort }) => hostPort > 0 && containerPort > 0),
    hasOwnNetwork: spec["hostNetwork"] !== true && !["Succeeded", "Failed"].includes(text(status["phase"])),
    deleting: record(record(json)["metadata"])["deletionTimestamp"] !== undefined,
    runtimeClassName: text(spec["runtimeClassName"]),
    socketLb: text(record(record(record(json)["metadata"])["annotations"])[SOCKET_LB_ANNOTATION]),
  };
}

/** In ms since 1970; 0 when it is none. */
export const readTime = (time: string): number => Date.parse(time) || 0;

const readLabels = (json: unknown): Json => record(record(record(json)["metadata"])["labels"]);

function readIdentity(json: unknown): Identity {
  const metadata = record(record(json)["metadata"]);
  return {
    namespace: text(metadata["namespace"]),
    name: text(metadata["name"]),
    uid: text(metadata["uid"]),
    resourceVersion: text(metadata["resourceVersion"]),
    creationTimestamp: text(metadata["creationTimestamp"]),
  };
}
