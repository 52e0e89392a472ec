// SPDX-License-Identifier: Apache-2.0
// A table of host ports of Pods: on which addresses they are served, and who gives way.

import { expect, test } from "vitest";
import { desiredState } from "../../../agent/core/desired-state.ts";
import { readPod, readService } from "../../../agent/core/kubernetes-objects.ts";
import { backendId, frontendId } from "../../../agent/core/operation.ts";
import { collection, NODE, nodes } from "./arbitrary-objects.ts";

interface TestPod {
  readonly name?: string;
  readonly metadata?: Record<string, unknown>;
  readonly spec?: Record<string, unknown>;
  readonly status?: Record<string, unknown>;
  readonly port?: Record<string, unknown>;
}

const pod = ({ name = "p", metadata = {}, spec = {}, status = {}, port = {} }: TestPod) =>
  readPod({
    metadata: { namespace: "ns", name, creationTimestamp: "2026-01-01T00:00:00Z", ...metadata },
    spec: { containers: [{ ports: [{ hostPort: 8080, containerPort: 80, ...port }] }], ...spec },
    status: { phase: "Running", podIPs: [{ ip: "10.244.0.5" }], ...status },
  });

const nodePort = readService({
  metadata: { namespace: "ns", name: "web" },
  spec: { type: "NodePort", clusterIP: "10.96.0.1", ports: [{ port: 80, nodePort: 30_080 }] },
});

const API_SERVER = [{ address: "192.0.2.1", port: 6443 }];

function served(pods: TestPod[], services = [nodePort]) {
  const snapshot = {
    services: collection(services),
    endpointSlices: collection<never>([]),
    nodes,
    pods: collection(pods.map(pod)),
  };
  const desired = desiredState(snapshot, NODE, { nodeAddresses: ["198.51.100.9"], apiEndpoints: API_SERVER });
  const ofPods = desired.services.filter(({ name }) => name.startsWith("pod/"));
  return {
    frontends: Object.fromEntries(
      ofPods.flatMap(({ frontends, selections }) =>
        frontends.map(({ key, scope, selection }) => [
          `${frontendId(key)} ${scope}`,
          selections
            .find((each) => each.key === selection)
            ?.backends.map(backendId)
            .join(),
        ]),
      ),
    ),
    problems: desired.problems.map(({ service, reason }) => `${service} ${reason}`),
  };
}

test("a host port is served on every address of the node", () => {
  for (const hostIP of [undefined, "0.0.0.0"])
    expect(served([{ port: { hostIP } }]).frontends).toEqual({
      "6/192.0.2.1/8080 external": "6/10.244.0.5/80",
      "6/198.51.100.9/8080 external": "6/10.244.0.5/80",
    });
});

test("a host IP is the only address, and the loopback is for this machine alone", () => {
  expect(served([{ port: { hostIP: "192.0.2.1", protocol: "UDP" } }]).frontends).toEqual({
    "17/192.0.2.1/8080 external": "17/10.244.0.5/80",
  });
  expect(Object.keys(served([{ port: { hostIP: "127.0.0.1" } }]).frontends)).toEqual(["6/127.0.0.1/8080 cluster"]);
});

test.each([
  ["another machine's", "8.8.8.8"],
  ["a Service's", "10.96.0.1"],
  ["this Pod's own", "10.244.0.5"],
  ["this node's, written as IPv6", "::ffff:192.0.2.1"],
  ["none", "everywhere"],
])("a host IP that is %s is refused, and the Pod is told", (_, hostIP) => {
  expect(served([{ port: { hostIP } }])).toEqual({ frontends: {}, problems: ["pod/ns/p AddressNotAllowed"] });
});

test("the same port for another host IP or another protocol is no conflict", () => {
  const pods: TestPod[] = [
    { name: "a", port: { hostIP: "127.0.0.1" } },
    { name: "b", port: { hostIP: "192.0.2.1" } },
    { name: "c", port: { hostIP: "192.0.2.1", protocol: "UDP" } },
  ];
  const { frontends, problems } = served(pods);
  expect([Object.keys(frontends).length, problems]).toEqual([3, []]);
});

test.each<[string, TestPod]>([
  ["in the host's network", { spec: { hostNetwork: true } }],
  ["that has ended", { status: { phase: "Succeeded" } }],
  ["that has no address yet", { status: { phase: "Pending", podIPs: [] } }],
])("a Pod %s has none", (_, it) => {
  expect(served([it])).toEqual({ frontends: {}, problems: [] });
});

test("a sidecar's host port is served, an init container's is not", () => {
  const ports = [{ hostPort: 9000, containerPort: 1 }];
  const spec = {
    containers: [],
    initContainers: [{ ports, restartPolicy: "Always" }, { ports: [{ hostPort: 9001, containerPort: 1 }] }],
  };
  expect(Object.keys(served([{ spec }]).frontends)).toEqual([
    "6/192.0.2.1/9000 external",
    "6/198.51.100.9/9000 external",
  ]);
});

test("a NodePort keeps its port, and the Pod is told", () => {
  expect(served([{ port: { hostPort: 30_080 } }])).toEqual({
    frontends: {},
    problems: ["pod/ns/p HostPortConflict", "pod/ns/p HostPortConflict"],
  });
  expect(served([{ port: { hostPort: 30_080, protocol: "UDP" } }]).problems).toEqual([]);
});

test("an API server on this node keeps its port", () => {
  expect(served([{ port: { hostPort: 6443 } }])).toEqual({
    frontends: { "6/198.51.100.9/6443 external": "6/10.244.0.5/80" },
    problems: ["pod/ns/p AddressNotAllowed"],
  });
});

test("a Pod on its way out gives its port to the next one", () => {
  const port = { hostIP: "192.0.2.1" };
  const old: TestPod = { name: "old", metadata: { deletionTimestamp: "2026-01-02T00:00:00Z" }, port };
  const young: TestPod = {
    name: "young",
    metadata: { creationTimestamp: "2026-01-02T00:00:00Z" },
    status: { podIPs: [{ ip: "10.244.0.6" }] },
    port,
  };
  expect(served([old, young]).frontends).toEqual({ "6/192.0.2.1/8080 external": "6/10.244.0.6/80" });
});
