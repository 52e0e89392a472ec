// SPDX-License-Identifier: Apache-2.0
// Decides which external addresses a Service may have, so that nobody can take traffic that is meant for another (CVE-2020-8554).

import { type Cidr, contains, type IpAddress, parseCidr, parseIp } from "./ip-address.ts";
import { objectKey, type Service, type Snapshot } from "./kubernetes-objects.ts";
import type { ServingFacts } from "./operation.ts";

/**
 * Anybody who may create a Service may type in external IPs, so they are served only where no one else can be: not on an
 * address of a node, of a Pod, of another Service (its ClusterIPs and load balancer addresses, on any port), nor on one
 * that never leaves a machine or a link, nor where the API server is reached. Among external IPs the older Service keeps an
 * address and port. A load balancer's addresses are written by a controller: those may be a node's own, on any port but the
 * API server's, but no less than that is asked of them either.
 */
export interface AddressRules {
  isNodeAddress(address: string): boolean;
  isApiServer(address: string, port: number): boolean;
  /** Whether the programs look for a NodePort of this number. */
  isNodePort(port: number): boolean;
  /** Why this Service may not be served on it, or undefined. */
  refusal(address: IpAddress, kind: "external IP" | "load balancer address", service: Service): string | undefined;
}

const cidrs = (...texts: string[]): Cidr[] => texts.flatMap((text) => parseCidr(text) ?? []);
const NEVER_ROUTED = cidrs(
  ...["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4"],
  ...["::/127", "::ffff:0:0/96", "fe80::/10", "ff00::/8"],
);

/** `nodeAddresses`: what this node's devices carry, beside what the Nodes say. `apiEndpoints`: all that are known. */
export function addressRules(
  { nodes, pods }: Snapshot,
  services: readonly Service[],
  { nodeAddresses = [], apiEndpoints = [], nodePortRange }: ServingFacts,
): AddressRules {
  const allNodes = [...nodes.objects.values()];
  const canonical = (texts: readonly string[]) => texts.flatMap((text) => parseIp(text)?.text ?? []);
  // A device may carry an address that moves from node to node, as the API server's does in some clusters.
  const ofNodeObjects = new Set(canonical(allNodes.flatMap((node) => [...node.internalIps, ...node.externalIps])));
  const ofNodes = new Set([...canonical(nodeAddresses), ...ofNodeObjects]);
  const apiServers = new Set(canonical(apiEndpoints.map(({ address }) => address)));
  const apiPorts = new Set(apiEndpoints.map(({ address, port }) => `${parseIp(address)?.text} ${port}`));
  const podNetworks = cidrs(...allNodes.flatMap((node) => node.podCidrs));
  const own = [...(pods?.objects.values() ?? [])].filter((pod) => pod.hasOwnNetwork);
  const podAddresses = new Set(canonical(own.flatMap((pod) => pod.podIps)));
  const clusterIps = ownersOf(services, (service) => service.clusterIPs);
  const balancers = ownersOf(services, (service) =>
    service.type === "LoadBalancer" ? service.ingress.map(({ ip }) => ip) : [],
  );
  return {
    isNodeAddress: (address) => ofNodes.has(address),
    isNodePort: (port) => nodePortRange === undefined || (nodePortRange.first <= port && port <= nodePortRange.last),
    isApiServer: (address, port) => apiPorts.has(`${address} ${port}`),
    refusal(address, kind, service) {
      if (NEVER_ROUTED.some((cidr) => contains(cidr, address))) return "it is no address that others can reach";
      const clusterIp = clusterIps.get(address.text);
      if (clusterIp !== undefined) return `it is the ClusterIP of Service ${clusterIp}`;
      if (podAddresses.has(address.text) || podNetworks.some((cidr) => contains(cidr, address)))
        return "it belongs to the Pods";
      if (apiServers.has(address.text) && !ofNodeObjects.has(address.text)) return "the API server is reached there";
      if (kind === "load balancer address") return undefined;
      if (ofNodes.has(address.text)) return "it is an address of a node";
      const balancer = balancers.get(address.text);
      if (balancer !== undefined && balancer !== objectKey(service))
        return `it is the load balancer address of Service ${balancer}`;
      return undefined;
    },
  };
}

function ownersOf(services: readonly Service[], of: (service: Service) => readonly string[]): Map<string, string> {
  const owners = new Map<string, string>();
  for (const service of services) {
    for (const raw of of(service)) {
      const address = parseIp(raw)?.text;
      if (address !== undefined && !owners.has(address)) owners.set(address, objectKey(service));
    }
  }
  return owners;
}
