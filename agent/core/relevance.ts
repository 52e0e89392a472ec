// SPDX-License-Identifier: Apache-2.0
// Tells changes of objects that can make a difference to what is served from those that cannot: heartbeats, statuses, labels of Pods.

import { parseIp } from "./ip-address.ts";
import type { Identity, Pod, Service } from "./kubernetes-objects.ts";

const canonicalIp = (text: string): string => parseIp(text)?.text ?? text;

/** An object as it was and as it is; undefined where there is none. */
export interface ObjectChange<T> {
  readonly before: T | undefined;
  readonly after: T | undefined;
}

/** Everything that the agent keeps of an object but its version. */
const kept = <T extends Identity>(object: T | undefined): string =>
  object === undefined ? "" : JSON.stringify({ ...object, resourceVersion: "" });

/** Of a Service or a Node: whether anything of it has changed that the agent reads. */
export const isChanged = <T extends Identity>({ before, after }: ObjectChange<T>): boolean =>
  kept(before) !== kept(after);

/**
 * Of a Pod of this node: whether its host ports, or an address that a Service asks for, have changed. `askedAddresses` are
 * those that people have typed into Services.
 */
export function podMatters({ before, after }: ObjectChange<Pod>, askedAddresses: ReadonlySet<string>): boolean {
  if (servedPart(before) === servedPart(after)) return false;
  const both = [before, after].flatMap((pod) => pod ?? []);
  return both.some((pod) => pod.hostPorts.length > 0 || pod.podIps.some((ip) => askedAddresses.has(canonicalIp(ip))));
}

function servedPart(pod: Pod | undefined): string {
  if (!pod) return "";
  const { uid, hostPorts, podIps, hasOwnNetwork, deleting } = pod;
  return JSON.stringify([uid, hostPorts, podIps, hasOwnNetwork, deleting]);
}

/** External IPs and load balancer addresses of these Services. */
export function askedAddresses(services: Iterable<Service>): Set<string> {
  const asked = new Set<string>();
  for (const { externalIPs, ingress } of services) {
    for (const ip of externalIPs) asked.add(canonicalIp(ip));
    for (const { ip } of ingress) asked.add(canonicalIp(ip));
  }
  return asked;
}
