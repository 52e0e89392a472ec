// SPDX-License-Identifier: Apache-2.0
// Explains one address and port: whose frontend it is, what the kernel holds of it, and why each endpoint is in or out.

import { type DesiredFrontend, type DesiredService, desiredState, indexSlices } from "./desired-state.ts";
import { type JudgedEndpoint, judgeEndpoints, PROTOCOL_NUMBERS } from "./endpoint-selection.ts";
import { type IpAddress, parseIp } from "./ip-address.ts";
import type { KernelMirror } from "./kernel-mirror.ts";
import { objectKey, type Snapshot } from "./kubernetes-objects.ts";
import type { LoadBalancing } from "./load-balancing.ts";
import { nodePortAddresses } from "./node-port-addresses.ts";
import { backendId, type FrontendKey, frontendId, type Protocol, type ServingFacts } from "./operation.ts";
import { finish } from "./steps.ts";

export interface Explanation extends Omit<DesiredFrontend, "selection" | "externalSelection" | "sourceRanges"> {
  /** `namespace/name`, or `pod/namespace/name`. */
  readonly service: string;
  /** `cluster` or `local`: which endpoints clients in the cluster and packets from outside are given. */
  readonly insidePolicy: string;
  readonly outsidePolicy: string;
  readonly sourceRanges: "all" | readonly string[];
  /** Backends that the kernel gives out now; undefined when it has no such frontend. */
  readonly kernel: { readonly inside: readonly string[]; readonly outside: readonly string[] } | undefined;
  readonly endpoints: readonly JudgedEndpoint[];
}

export interface Asked {
  readonly address: string;
  readonly port: number;
  /** What this node knows beside the objects. */
  readonly facts: ServingFacts;
  /** Where NodePorts are served; empty: at all addresses of nodes. */
  readonly nodePortCidrs: readonly string[];
  readonly nodeName: string;
  readonly balancing: LoadBalancing;
}

/** One for each protocol that is served there; none when the address and port are nobody's. */
export function explain(snapshot: Snapshot, mirror: KernelMirror | undefined, asked: Asked): Explanation[] {
  const address = parseIp(asked.address);
  if (!address) return [];
  const { services } = desiredState(snapshot, asked.nodeName, asked.facts, asked.balancing);
  const index = new Map(
    services.flatMap((service) =>
      service.frontends.map((frontend) => [frontendId(frontend.key), { service, frontend }]),
    ),
  );
  return Object.values(PROTOCOL_NUMBERS).flatMap((protocol) => {
    const found = keysFor(snapshot, address, protocol, asked).flatMap((key) => index.get(frontendId(key)) ?? [])[0];
    return found ? [describe(snapshot, mirror, found.service, found.frontend, asked.nodeName)] : [];
  });
}

/** As the programs look it up: the exact address first, then the NodePort of any node. */
function keysFor({ nodes }: Snapshot, { text, family }: IpAddress, protocol: Protocol, asked: Asked): FrontendKey[] {
  const ofNodes = [...nodes.objects.values()].flatMap((node) => [...node.internalIps, ...node.externalIps]);
  const ofAll = nodePortAddresses([...ofNodes, ...(asked.facts.nodeAddresses ?? [])], asked.nodePortCidrs);
  const hasNodePorts = ofAll.some((address) => parseIp(address)?.text === text);
  const addresses = hasNodePorts ? [text, `*${family}`] : [text];
  return addresses.map((address) => ({ address, port: asked.port, protocol }));
}

function describe(
  snapshot: Snapshot,
  mirror: KernelMirror | undefined,
  service: DesiredService,
  { selection, externalSelection, ...frontend }: DesiredFrontend,
  nodeName: string,
): Explanation {
  const { servicePort } = frontend;
  const ranges = service.sourceRanges.flatMap((range) => (range.servicePort === servicePort ? range.cidr : []));
  const backends = service.selections.find(({ key }) => key === selection)?.backends ?? [];
  return {
    ...frontend,
    service: service.name,
    insidePolicy: selection.slice(selection.lastIndexOf("/") + 1),
    outsidePolicy: externalSelection.slice(externalSelection.lastIndexOf("/") + 1),
    sourceRanges: frontend.sourceRanges ? ranges : "all",
    kernel: heldBy(mirror, frontend.key),
    endpoints:
      judged(snapshot, service.name, selection, nodeName) ?? backends.map((backend) => ofPod(backend, nodeName)),
  };
}

const ofPod = (backend: JudgedEndpoint["backend"], nodeName: string): JudgedEndpoint => {
  const verdict = { selected: true, why: "is the Pod's own" };
  return { backend, nodeName, cluster: verdict, local: verdict };
};

/** Undefined for a Pod's host port. */
function judged(snapshot: Snapshot, name: string, selection: string, nodeName: string): JudgedEndpoint[] | undefined {
  const service = snapshot.services.objects.get(name);
  const port = service?.ports.find((each) => selection.startsWith(`${name}:${each.name}/${each.protocol}/`));
  if (!service || !port) return undefined;
  const own = [...snapshot.nodes.objects.values()].find((node) => node.name === nodeName);
  const slices = finish(indexSlices(snapshot.endpointSlices.objects.values())).get(objectKey(service)) ?? [];
  const query = { portName: port.name, nodeName, zone: own?.zone ?? "" };
  const family = selection.includes("/v6/") ? 6 : 4;
  const protocol = PROTOCOL_NUMBERS[port.protocol];
  return protocol === undefined ? undefined : judgeEndpoints(slices, { ...query, protocol, family });
}

function heldBy(mirror: KernelMirror | undefined, key: FrontendKey): Explanation["kernel"] {
  const entry = mirror?.frontends.get(frontendId(key))?.entry;
  if (!mirror || !entry) return undefined;
  const backendsOf = (index: number): string[] => {
    const selection = mirror.selections.get(index);
    const ids = selection && selection.count > 0 ? (mirror.extents.get(selection.offset) ?? []) : [];
    return [...new Set(ids)].flatMap((id) => mirror.backends.get(id) ?? []).map(backendId);
  };
  return { inside: backendsOf(entry.selection), outside: backendsOf(entry.externalSelection) };
}
