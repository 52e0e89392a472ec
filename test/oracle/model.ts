// SPDX-License-Identifier: Apache-2.0
// The reference: what may become of a probe, written from Kubernetes' documentation alone and knowing no implementation.
// (kubernetes.io: Service; Virtual IPs and Service Proxies; Service Internal Traffic Policy; Topology Aware Routing;
// EndpointSlices; the API reference of Service v1 and EndpointSlice v1; kube-proxy's reference for --nodeport-addresses.)
import { type UsableEndpoints, usableEndpoints } from "./model-endpoints.ts";
import { type Cluster, HEADLESS, PROXY_NAME, type ServiceObject, type ServicePortObject } from "./objects.ts";
import { type Expected, endpointText, type Probe, type Verdict } from "./probe.ts";
import { ASIDE, CLIENT_POD, CLUSTER_CIDRS, HERE, PLACES, podAddress, SANDBOX_POD } from "./topology.ts";
import { isIn } from "./wire/address.ts";
import { familyOf } from "./wire/frame.ts";

/** Where a Service can be reached, of those that a probe's destination may be. */
type Frontend = "ClusterIP" | "external IP" | "load balancer" | "NodePort here" | "NodePort elsewhere";

/** The reason where internalTrafficPolicy Local leaves no endpoint. */
export const NO_INTERNAL_ENDPOINT_HERE = "ClusterIP, Local endpoints: none";
/** Ends the reason where the ranges for NodePorts are all of the other family. */
export const NO_RANGE_OF_FAMILY = ", and none is of this family";

interface Hit {
  readonly service: ServiceObject;
  readonly port: ServicePortObject;
  readonly frontend: Frontend;
}

export const isServed = ({ metadata, spec }: ServiceObject): boolean =>
  spec.type !== "ExternalName" &&
  spec.clusterIP !== "None" &&
  !(PROXY_NAME in (metadata.labels ?? {})) &&
  !(HEADLESS in (metadata.labels ?? {}));

export function expected(cluster: Cluster, probe: Probe): Expected {
  const hit = find(cluster, probe);
  if (hit === undefined) return only("untouched", "no Service has this address, port and protocol");
  const { service, frontend } = hit;
  const endpoints = usableEndpoints(cluster, service, hit.port, familyOf(probe.address));
  if (frontend === "ClusterIP" && probe.from === "outside") {
    const ifServed = { ...choose(hit, probe, endpoints), keepsSource: false };
    return { ...only("untouched", "a ClusterIP is reachable from within the cluster only"), ifServed };
  }
  const { nodePortAddresses = [] } = cluster;
  if (isNodePort(frontend) && !acceptsNodePorts(nodePortAddresses, probe.address)) {
    const ofFamily = nodePortAddresses.some((range) => familyOf(range) === familyOf(probe.address));
    const because = `NodePorts are accepted at node IPs in the ranges only${ofFamily ? "" : NO_RANGE_OF_FAMILY}`;
    return { ...only("untouched", because), ifServed: leftToOthers(frontend, choose(hit, probe, endpoints)) };
  }
  // The node itself is no client of the balancer: it may always reach what it serves.
  const admitted = frontend !== "load balancer" || probe.from === "host" || admits(service, clientOf(probe));
  const ranged = frontend === "load balancer" && rangesOf(service, probe.address).length > 0;
  const chosen = leftToOthers(frontend, { ...choose(hit, probe, endpoints), ranged });
  if (admitted) return chosen;
  // Which of the two it hears is nobody's promise when there is nothing to reach anyway.
  const verdicts: Verdict[] = chosen.backends.length === 0 ? ["dropped", ...chosen.verdicts] : ["dropped"];
  return { ...only("dropped", "the client is in none of the load balancer's source ranges"), verdicts, ranged };
}

/** The address of a client that is no host. */
function clientOf({ from, source, address }: Probe): string {
  return from === "outside"
    ? (source ?? "")
    : podAddress(HERE, from === "pod" ? CLIENT_POD : SANDBOX_POD, familyOf(address));
}

function find({ services }: Cluster, { address, port, protocol }: Probe): Hit | undefined {
  const name = protocol.toUpperCase();
  for (const service of services.filter(isServed)) {
    const { spec, status } = service;
    const families = new Set((spec.clusterIPs ?? []).map(familyOf));
    if (!families.has(familyOf(address))) continue;
    // ipMode Proxy: the balancer ends connections itself, and the node must not take them over.
    const balancer = (status.loadBalancer.ingress ?? []).some(({ ip, ipMode }) => ip === address && ipMode !== "Proxy");
    for (const each of spec.ports.filter((one) => one.protocol === name)) {
      const hit = (frontend: Frontend): Hit => ({ service, port: each, frontend });
      if (each.port === port && (spec.clusterIPs ?? []).includes(address)) return hit("ClusterIP");
      if (each.port === port && (spec.externalIPs ?? []).includes(address)) return hit("external IP");
      if (each.port === port && spec.type === "LoadBalancer" && balancer) return hit("load balancer");
      if (each.nodePort !== port) continue;
      if ([...HERE.addresses, ...ASIDE].includes(address)) return hit("NodePort here");
      if (PLACES.some(({ addresses }) => addresses.includes(address))) return hit("NodePort elsewhere");
    }
  }
  return undefined;
}

const isNodePort = (frontend: Frontend): boolean => frontend === "NodePort here" || frontend === "NodePort elsewhere";

/** Without ranges all addresses of nodes accept them. */
const acceptsNodePorts = (ranges: readonly string[], address: string): boolean =>
  ranges.length === 0 || ranges.some((range) => isIn(address, range));

/** Ranges of one family say nothing about the other. */
const rangesOf = ({ spec }: ServiceObject, address: string): string[] =>
  (spec.loadBalancerSourceRanges ?? []).filter((range) => familyOf(range) === familyOf(address));

function admits(service: ServiceObject, source: string): boolean {
  const ranges = rangesOf(service, source);
  return ranges.length === 0 || ranges.some((range) => isIn(source, range));
}

function choose({ service, frontend }: Hit, probe: Probe, endpoints: UsableEndpoints): Expected {
  const { spec } = service;
  // From within the cluster an external address is a short way to all endpoints, whatever externalTrafficPolicy says; who
  // picks a node and asks at its NodePort takes that node's policy into account.
  const { source } = probe;
  const isOtherPod = source !== undefined && CLUSTER_CIDRS.some((cidr) => isIn(source, cidr));
  const isOutside = probe.from === "outside" && (frontend === "NodePort here" || !isOtherPod);
  const policy =
    frontend === "ClusterIP"
      ? (spec.internalTrafficPolicy ?? "Cluster")
      : isOutside
        ? (spec.externalTrafficPolicy ?? "Cluster")
        : "Cluster";
  const backends = policy === "Local" ? endpoints.local : endpoints.cluster;
  const sticky = spec.sessionAffinity === "ClientIP";
  const because = `${frontend}, ${policy} endpoints${isOutside ? " for the outside" : ""}`;
  if (backends.length === 0) {
    // Endpoints elsewhere: nothing is wrong with the Service, so the client may try again and be sent to another node.
    const verdict: Verdict = policy === "Local" && endpoints.any ? "dropped" : "refused";
    return only(verdict, `${because}: none`);
  }
  const keepsSource = keepsAddress(frontend, policy, probe, backends);
  return { backends, verdicts: [], keepsSource, sticky, ranged: false, because };
}

/** Another node's port may be left to that node. */
const leftToOthers = (frontend: Frontend, chosen: Expected): Expected =>
  frontend === "NodePort elsewhere"
    ? { ...chosen, verdicts: [...chosen.verdicts, "untouched"], keepsSource: false }
    : chosen;

/** A ClusterIP shows the Pod's own address, unless it reaches itself; so does Local to the outside. */
function keepsAddress(frontend: Frontend, policy: string, probe: Probe, backends: readonly string[]): boolean {
  if (probe.from === "outside") return policy === "Local";
  if (frontend !== "ClusterIP" || probe.from === "host") return false;
  return !backends.some((backend) => backend.startsWith(endpointText(clientOf(probe), 0).slice(0, -1)));
}

const only = (verdict: Verdict, because: string): Expected => ({
  backends: [],
  verdicts: [verdict],
  keepsSource: false,
  sticky: false,
  ranged: false,
  because,
});
