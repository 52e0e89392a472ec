// SPDX-License-Identifier: Apache-2.0
// Small Services and EndpointSlices, and what the desired state makes of them, in words that a table can hold.
import { desiredState } from "../../../agent/core/desired-state.ts";
import { readEndpointSlice, readService, type Snapshot } from "../../../agent/core/kubernetes-objects.ts";
import { backendId, frontendId, type ServingFacts } from "../../../agent/core/operation.ts";
import { collection, NODE, nodes } from "./arbitrary-objects.ts";

export interface TestService {
  name?: string;
  created?: string;
  labels?: Record<string, string>;
  spec?: Record<string, unknown>;
  ingress?: Record<string, unknown>[];
}

export const service = ({
  name = "web",
  created = "2026-01-01T00:00:00Z",
  labels = {},
  spec = {},
  ingress,
}: TestService) =>
  readService({
    metadata: { namespace: "ns", name, creationTimestamp: created, labels },
    spec: { type: "ClusterIP", clusterIP: "10.96.0.1", ports: [{ port: 80 }], ...spec },
    status: ingress ? { loadBalancer: { ingress } } : {},
  });

export const ready = { ready: true, serving: true, terminating: false };
export const notReady = { ready: false, serving: false, terminating: false };
export const draining = { ready: false, serving: true, terminating: true };
export const dying = { ready: false, serving: false, terminating: true };

export interface TestSlice {
  name?: string;
  service?: string;
  labels?: Record<string, string>;
  addressType?: string;
  ports?: Record<string, unknown>[];
  endpoints: [address: string, conditions: Record<string, unknown>, nodeName?: string][];
}

export const slice = ({
  name = "s",
  service: of = "web",
  labels = {},
  addressType = "IPv4",
  ports,
  endpoints,
}: TestSlice) =>
  readEndpointSlice({
    metadata: { namespace: "ns", name, labels: { "kubernetes.io/service-name": of, ...labels } },
    addressType,
    ports: ports ?? [{ name: "", port: 8080, protocol: "TCP" }],
    endpoints: endpoints.map(([address, conditions, nodeName]) => ({ addresses: [address], conditions, nodeName })),
  });

/** Frontends with the endpoints they lead to, and the reasons of all problems. */
export function served(
  services: TestService[],
  slices: TestSlice[],
  more: Partial<Snapshot> = {},
  facts?: ServingFacts,
) {
  const snapshot: Snapshot = {
    services: collection(services.map(service)),
    endpointSlices: collection(slices.map(slice)),
    nodes,
    ...more,
  };
  const desired = desiredState(snapshot, NODE, facts);
  const frontends: Record<string, string> = {};
  for (const { frontends: all, selections } of desired.services) {
    for (const frontend of all) {
      const backendsOf = (selection: string) =>
        selections
          .find(({ key }) => key === selection)
          ?.backends.map(backendId)
          .join(" ") ?? "missing";
      const [inside, outside] = [backendsOf(frontend.selection), backendsOf(frontend.externalSelection)];
      frontends[`${frontendId(frontend.key)} ${frontend.scope}`] =
        inside === outside ? inside : `${inside} | ${outside}`;
    }
  }
  return { desired, frontends, problems: desired.problems.map(({ reason, service: name }) => `${name} ${reason}`) };
}

export const WEB = "6/10.96.0.1/80 cluster";
export const b = (...hosts: string[]) => hosts.map((host) => `6/${host}/8080`).join(" ");
