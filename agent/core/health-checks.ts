// SPDX-License-Identifier: Apache-2.0
// Says which health check ports load balancers ask at this node, and how many endpoints each Service has here.

import { parseIp } from "./ip-address.ts";
import { type EndpointSlice, objectKey, type Service } from "./kubernetes-objects.ts";

export interface HealthCheck {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
  /** Ready ones on this node, counted by address in the Service's first IP family: a draining one takes nothing new. */
  readonly localEndpoints: number;
}

export const isHealthChecked = (service: Service): boolean =>
  service.type === "LoadBalancer" && service.externalTrafficPolicy === "Local" && service.healthCheckNodePort > 0;

/** By port, lowest first; a port that two of these served Services claim is the first one's by name. */
export function healthChecks(
  services: readonly Service[],
  slicesOf: ReadonlyMap<string, readonly EndpointSlice[]>,
  nodeName: string,
): HealthCheck[] {
  const checks = new Map<number, HealthCheck>();
  for (const service of services.filter(isHealthChecked).sort((a, b) => (objectKey(a) < objectKey(b) ? -1 : 1))) {
    if (checks.has(service.healthCheckNodePort)) continue;
    const check = healthCheckOf(service, slicesOf.get(objectKey(service)) ?? [], nodeName);
    checks.set(check.port, check);
  }
  return [...checks.values()].sort((a, b) => a.port - b.port);
}

export function healthCheckOf(service: Service, slices: readonly EndpointSlice[], nodeName: string): HealthCheck {
  const family = parseIp(service.clusterIPs[0] ?? "")?.family;
  const here = slices
    .filter((slice) => slice.addressType === `IPv${family}` && slice.ports.length > 0 && !slice.headless)
    .flatMap((slice) => [...slice.endpoints])
    .filter(({ ready, nodeName: at, address }) => ready && at === nodeName && address !== "")
    .map(({ address }) => address);
  const { namespace, name, healthCheckNodePort: port } = service;
  return { namespace, name, port, localEndpoints: new Set(here).size };
}
