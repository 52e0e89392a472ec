// SPDX-License-Identifier: Apache-2.0
// Says which health check ports load balancers ask at this node, and how many endpoints each Service has here.

import { indexSlices, isServed } from "./desired-state.ts";
import { parseIp } from "./ip-address.ts";
import { isForOthers, objectKey, type Snapshot } from "./kubernetes-objects.ts";

export interface HealthCheck {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
  /** Ready ones on this node, counted by address in the Service's first IP family: a draining one takes nothing new. */
  readonly localEndpoints: number;
}

/** By port, lowest first; a port that two Services claim is the first one's by name. */
export function healthChecks(snapshot: Snapshot, nodeName: string): HealthCheck[] {
  const checked = [...snapshot.services.objects.values()].filter(
    (service) =>
      isServed(service) &&
      service.type === "LoadBalancer" &&
      service.externalTrafficPolicy === "Local" &&
      service.healthCheckNodePort > 0,
  );
  if (checked.length === 0) return [];
  const slicesOf = indexSlices(snapshot.endpointSlices.objects.values());
  const checks = new Map<number, HealthCheck>();
  for (const service of checked.sort((a, b) => (objectKey(a) < objectKey(b) ? -1 : 1))) {
    if (checks.has(service.healthCheckNodePort)) continue;
    const family = parseIp(service.clusterIPs[0] ?? "")?.family;
    const slices = (slicesOf.get(objectKey(service)) ?? []).filter(
      (slice) => slice.addressType === `IPv${family}` && slice.ports.length > 0 && !isForOthers(slice),
    );
    const here = slices
      .flatMap((slice) => slice.endpoints)
      .filter((endpoint) => endpoint.ready && endpoint.nodeName === nodeName)
      .flatMap((endpoint) => parseIp(endpoint.addresses[0] ?? "")?.text ?? []);
    const { namespace, name, healthCheckNodePort: port } = service;
    checks.set(port, { namespace, name, port, localEndpoints: new Set(here).size });
  }
  return [...checks.values()].sort((a, b) => a.port - b.port);
}
