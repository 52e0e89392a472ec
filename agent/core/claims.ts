// SPDX-License-Identifier: Apache-2.0
// Lists the addresses and ports that Services ask to be served on, and decides who gets one that two ask for.

import { PROTOCOL_NUMBERS } from "./endpoint-selection.ts";
import type { AddressRules } from "./external-address.ts";
import { type IpFamily, parseIp } from "./ip-address.ts";
import { objectKey, type Service, type ServicePort } from "./kubernetes-objects.ts";
import { type FrontendKey, type FrontendScope, frontendId } from "./operation.ts";
import type { Problem } from "./problem.ts";
import { sourceRangesOf } from "./source-ranges.ts";
import type { Steps } from "./steps.ts";

const SERVICES_OF_A_STEP = 64;

export type TrafficPolicy = "cluster" | "local";

export interface Claim {
  readonly key: FrontendKey;
  readonly scope: FrontendScope;
  readonly family: IpFamily;
  /** For sockets and Pods of the cluster. */
  readonly policy: TrafficPolicy;
  /** For packets from outside. */
  readonly externalPolicy: TrafficPolicy;
  readonly port: ServicePort;
  readonly sourceRanges: boolean;
}

/** What each Service has won, in the order of `services`: the first to ask gets it, so give the oldest first. */
export function* settleClaims(
  services: readonly Service[],
  rules: AddressRules,
  problems: Problem[],
): Steps<Claim[][]> {
  const owners = new Map<string, string>();
  const won: Claim[][] = services.map(() => []);
  // Addresses and ports that the API server allocates are never taken by ones that a user types in.
  for (const claims of [allocatedClaims, typedClaims]) {
    for (const [index, service] of services.entries()) {
      if (index % SERVICES_OF_A_STEP === 0) yield;
      for (const claim of claims(service, rules, problems)) {
        const id = frontendId(claim.key);
        const owner = owners.get(id) ?? owners.get(hiddenNodePort(claim, rules) ?? "");
        if (owner === undefined) {
          owners.set(id, objectKey(service));
          won[index]?.push(claim);
        } else if (owner !== objectKey(service)) {
          problems.push(conflict(service, claim, owner));
        }
      }
    }
  }
  // Copies have no room to spare.
  return won.map((claims) => claims.slice());
}

/** An exact frontend on a node's address would hide the NodePort of that number, on this node only. */
function hiddenNodePort({ key, family }: Claim, rules: AddressRules): string | undefined {
  return rules.isNodeAddress(key.address) ? frontendId({ ...key, address: `*${family}` }) : undefined;
}

function allocatedClaims(service: Service, rules: AddressRules, problems: Problem[]): Claim[] {
  const claims: Claim[] = [];
  const internal = policyOf(service.internalTrafficPolicy);
  for (const port of service.ports) {
    const protocol = PROTOCOL_NUMBERS[port.protocol];
    if (protocol === undefined) {
      problems.push({
        service: objectKey(service),
        reason: "UnsupportedProtocol",
        message: `Service ${objectKey(service)} port ${port.port}: protocol ${port.protocol} is not served; use TCP, UDP or SCTP.`,
      });
      continue;
    }
    const hasNodePort = port.nodePort !== 0 && rules.isNodePort(port.nodePort);
    if (port.nodePort !== 0 && !hasNodePort) problems.push(outOfRange(service, port));
    for (const address of service.clusterIPs.flatMap((ip) => parseIp(ip) ?? [])) {
      const { family } = address;
      // Not by a spread, whose fields would lie in a second object: there is a claim for each frontend.
      claims.push({
        key: { address: address.text, port: port.port, protocol },
        scope: "cluster",
        family,
        policy: internal,
        externalPolicy: internal,
        port,
        sourceRanges: false,
      });
      if (!hasNodePort) continue;
      claims.push({
        key: { address: `*${family}`, port: port.nodePort, protocol },
        scope: "external",
        family,
        ...externalPolicies(service),
        port,
        sourceRanges: false,
      });
    }
  }
  return claims;
}

const outOfRange = (service: Service, { nodePort, protocol }: ServicePort): Problem => ({
  service: objectKey(service),
  reason: "NodePortOutOfRange",
  message:
    `Service ${objectKey(service)}: NodePort ${protocol} ${nodePort} is not served, because it lies outside nodePort.range; ` +
    "set the value nodePort.range to the API server's --service-node-port-range.",
});

/** External IPs and the load balancer's addresses. */
function typedClaims(service: Service, rules: AddressRules, problems: Problem[]): Claim[] {
  const name = objectKey(service);
  const vips = service.type === "LoadBalancer" ? service.ingress.filter(({ ipMode }) => ipMode === "VIP") : [];
  const asked = new Map<string, "external IP" | "load balancer address">();
  for (const ip of service.externalIPs) asked.set(ip, "external IP");
  for (const { ip } of vips) asked.set(ip, "load balancer address");
  const families = new Set(service.clusterIPs.flatMap((ip) => parseIp(ip)?.family ?? []));
  const ranges = sourceRangesOf(service, vips.length > 0 ? problems : []);
  const claims: Claim[] = [];
  for (const [raw, kind] of asked) {
    const address = parseIp(raw);
    if (!address || !families.has(address.family)) {
      const why = address
        ? "the Service has no ClusterIP of its IP family; give it both (spec.ipFamilyPolicy), or use an address of the other"
        : "it is no IP address; correct it";
      const message = `Service ${name}: external address "${raw}" is not served, because ${why}.`;
      problems.push({ service: name, reason: "AddressFamily", message });
      continue;
    }
    const refusal = rules.refusal(address, kind, service);
    if (refusal !== undefined) {
      const message = `Service ${name}: ${kind} ${address.text} is not served, because ${refusal}; use an address that is routed to the nodes and is nobody's.`;
      problems.push({ service: name, reason: "AddressNotAllowed", message });
      continue;
    }
    const restricted = kind === "load balancer address" ? ranges[address.family] : "all";
    if (restricted === "invalid") continue;
    for (const port of service.ports) {
      const protocol = PROTOCOL_NUMBERS[port.protocol];
      if (protocol === undefined) continue;
      if (rules.isApiServer(address.text, port.port)) {
        const message = `Service ${name}: ${kind} ${address.text} port ${port.port} is not served, because the API server is reached there; use another port.`;
        problems.push({ service: name, reason: "AddressNotAllowed", message });
        continue;
      }
      claims.push({
        key: { address: address.text, port: port.port, protocol },
        scope: "external",
        family: address.family,
        ...externalPolicies(service),
        port,
        sourceRanges: restricted !== "all",
      });
    }
  }
  return claims;
}

const policyOf = (text: string): TrafficPolicy => (text === "Local" ? "local" : "cluster");

/** From inside the cluster an external address leads to all endpoints, whatever externalTrafficPolicy says, as with kube-proxy. */
const externalPolicies = (service: Service) =>
  ({ policy: "cluster", externalPolicy: policyOf(service.externalTrafficPolicy) }) as const;

function conflict(service: Service, claim: Claim, owner: string): Problem {
  return {
    service: objectKey(service),
    reason: "FrontendConflict",
    message:
      `Service ${objectKey(service)}: ${claim.port.protocol} ${claim.key.address}:${claim.key.port} is already served ` +
      `for Service ${owner}, which came first; give one of them another address or port.`,
  };
}
