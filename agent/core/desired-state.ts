// SPDX-License-Identifier: Apache-2.0
// Turns a Snapshot into what the kernel should serve: frontends with their endpoint sets, grouped by Service, oldest first.

import { PROTOCOL_NUMBERS, selectEndpoints } from "./endpoint-selection.ts";
import { type IpFamily, parseIp } from "./ip-address.ts";
import {
  type EndpointSlice,
  isComplete,
  objectKey,
  SERVICE_NAME_LABEL,
  SERVICE_PROXY_NAME_LABEL,
  type Service,
  type ServicePort,
  type Snapshot,
} from "./kubernetes-objects.ts";
import { type Backend, backendId, type FrontendKey, type FrontendScope, frontendId } from "./operation.ts";
import type { Problem } from "./problem.ts";

export interface DesiredSelection {
  /** Names the Service port, the family and the policy; stable while they are. */
  readonly key: string;
  readonly servicePort: string;
  /** Sorted by `backendId`, no duplicates. */
  readonly backends: readonly Backend[];
  /** The same set as one text: equal sets have equal contents. */
  readonly contents: string;
}

export interface DesiredFrontend {
  readonly key: FrontendKey;
  readonly scope: FrontendScope;
  readonly servicePort: string;
  /** Key of the selection it uses. */
  readonly selection: string;
}

export interface DesiredService {
  /** `namespace/name`. */
  readonly name: string;
  readonly frontends: readonly DesiredFrontend[];
  readonly selections: readonly DesiredSelection[];
}

export interface DesiredState {
  /** False until every kind has completed its first list: nothing may be planned from it. */
  readonly complete: boolean;
  readonly services: readonly DesiredService[];
  readonly problems: readonly Problem[];
}

export const contentsOf = (sortedBackendIds: readonly string[]): string => sortedBackendIds.join(" ");

interface Claim {
  readonly key: FrontendKey;
  readonly scope: FrontendScope;
  readonly family: IpFamily;
  readonly policy: "cluster" | "local";
  readonly port: ServicePort;
}

/** `nodeName` is this node: traffic policy Local selects the endpoints on it. */
export function desiredState(snapshot: Snapshot, nodeName: string): DesiredState {
  const problems: Problem[] = [];
  const services = [...snapshot.services.objects.values()].filter(isServed).sort(byAge);
  const slicesOf = indexSlices(snapshot.endpointSlices.objects.values());

  const owners = new Map<string, string>();
  const won = services.map(() => [] as Claim[]);
  // Addresses and ports that the API server allocates are never taken by ones that a user types in.
  for (const claims of [allocatedClaims, typedClaims]) {
    for (const [index, service] of services.entries()) {
      for (const claim of claims(service, problems)) {
        const owner = owners.get(frontendId(claim.key));
        if (owner === undefined) {
          owners.set(frontendId(claim.key), objectKey(service));
          won[index]?.push(claim);
        } else if (owner !== objectKey(service)) {
          problems.push(conflict(service, claim, owner));
        }
      }
    }
  }
  return {
    complete: isComplete(snapshot),
    services: services.map((service, index) =>
      resolve(service, won[index] ?? [], slicesOf.get(objectKey(service)) ?? [], nodeName),
    ),
    problems,
  };
}

/** Headless and ExternalName Services need no proxy; a labelled one belongs to another proxy. */
function isServed(service: Service): boolean {
  const [first] = service.clusterIPs;
  return (
    service.type !== "ExternalName" &&
    first !== undefined &&
    first !== "None" &&
    !(SERVICE_PROXY_NAME_LABEL in service.labels)
  );
}

function byAge(a: Service, b: Service): number {
  if (a.creationTimestamp !== b.creationTimestamp) return a.creationTimestamp < b.creationTimestamp ? -1 : 1;
  return objectKey(a) < objectKey(b) ? -1 : 1;
}

function indexSlices(slices: Iterable<EndpointSlice>): Map<string, EndpointSlice[]> {
  const index = new Map<string, EndpointSlice[]>();
  for (const slice of slices) {
    const service = slice.labels[SERVICE_NAME_LABEL];
    if (service === undefined) continue;
    const key = objectKey({ namespace: slice.namespace, name: service });
    const known = index.get(key);
    if (known) known.push(slice);
    else index.set(key, [slice]);
  }
  return index;
}

function allocatedClaims(service: Service, problems: Problem[]): Claim[] {
  const claims: Claim[] = [];
  const internal = service.internalTrafficPolicy === "Local" ? "local" : "cluster";
  for (const port of service.ports) {
    const protocol = PROTOCOL_NUMBERS[port.protocol];
    if (protocol === undefined) {
      problems.push({
        service: objectKey(service),
        reason: "UnsupportedProtocol",
        message: `Service ${objectKey(service)} port ${port.port}: protocol ${port.protocol} is not served; use TCP or UDP.`,
      });
      continue;
    }
    for (const address of service.clusterIPs.flatMap((ip) => parseIp(ip) ?? [])) {
      const { family } = address;
      const key = { address: address.text, port: port.port, protocol };
      claims.push({ key, scope: "cluster", family, policy: internal, port });
      if (port.nodePort === 0) continue;
      const nodePort = { address: `*${family}`, port: port.nodePort, protocol };
      claims.push({ key: nodePort, scope: "external", family, policy: externalPolicy(service), port });
    }
  }
  return claims;
}

function typedClaims(service: Service, problems: Problem[]): Claim[] {
  const addresses = new Set(service.externalIPs);
  if (service.type === "LoadBalancer") {
    if (isOpenToAll(service)) {
      for (const ingress of service.ingress) if (ingress.ipMode === "VIP") addresses.add(ingress.ip);
    } else if (service.ingress.length > 0) {
      problems.push({
        service: objectKey(service),
        reason: "SourceRangesUnsupported",
        message:
          `Service ${objectKey(service)}: its load balancer address is not served, because loadBalancerSourceRanges ` +
          "cannot be enforced; remove the ranges or filter in front of the nodes.",
      });
    }
  }
  const families = new Set(service.clusterIPs.flatMap((ip) => parseIp(ip)?.family ?? []));
  const claims: Claim[] = [];
  for (const raw of addresses) {
    const address = parseIp(raw);
    if (!address || !families.has(address.family)) {
      problems.push({
        service: objectKey(service),
        reason: "AddressFamily",
        message: `Service ${objectKey(service)}: external address "${raw}" is not served, because the Service has no ClusterIP of its IP family.`,
      });
      continue;
    }
    for (const port of service.ports) {
      const protocol = PROTOCOL_NUMBERS[port.protocol];
      if (protocol === undefined) continue;
      const key = { address: address.text, port: port.port, protocol };
      claims.push({ key, scope: "external", family: address.family, policy: externalPolicy(service), port });
    }
  }
  return claims;
}

const externalPolicy = (service: Service) => (service.externalTrafficPolicy === "Local" ? "local" : "cluster");

const isOpenToAll = (service: Service): boolean =>
  service.loadBalancerSourceRanges.length === 0 ||
  service.loadBalancerSourceRanges.some((range) => range.trim() === "0.0.0.0/0");

function resolve(
  service: Service,
  claims: readonly Claim[],
  slices: readonly EndpointSlice[],
  nodeName: string,
): DesiredService {
  const selections = new Map<string, DesiredSelection>();
  const frontends = claims.map((claim): DesiredFrontend => {
    const servicePort = `${objectKey(service)}:${claim.port.name}/${claim.port.protocol}`;
    const selection = `${servicePort}/v${claim.family}/${claim.policy}`;
    if (!selections.has(selection)) {
      const { family, policy } = claim;
      const query = { portName: claim.port.name, protocol: claim.key.protocol, family, nodeName };
      const backends = selectEndpoints(slices, query)[policy];
      const contents = contentsOf(backends.map(backendId));
      selections.set(selection, { key: selection, servicePort, backends, contents });
    }
    return { key: claim.key, scope: claim.scope, servicePort, selection };
  });
  return { name: objectKey(service), frontends, selections: [...selections.values()] };
}

function conflict(service: Service, claim: Claim, owner: string): Problem {
  return {
    service: objectKey(service),
    reason: "FrontendConflict",
    message:
      `Service ${objectKey(service)}: ${claim.port.protocol} ${claim.key.address}:${claim.key.port} is already served ` +
      `for Service ${owner}, which came first; give one of them another address or port.`,
  };
}
