// SPDX-License-Identifier: Apache-2.0
// A table of changes and how much the next sync has to look at because of each.

import { expect, test } from "vitest";
import { readEndpointSlice, readNode, readPod, readService } from "../../../agent/core/kubernetes-objects.ts";
import { ChangeLog } from "../../../agent/shell/change-log.ts";
import type { ClusterChange } from "../../../agent/shell/cluster-view.ts";

const service = (version: string, port = 80) =>
  readService({
    metadata: { namespace: "ns", name: "a", resourceVersion: version },
    spec: { clusterIP: "10.96.0.1", ports: [{ port }] },
  });
const node = (version: string, podCIDR = "10.244.0.0/24") =>
  readNode({ metadata: { name: "n", resourceVersion: version }, spec: { podCIDR } });
const pod = (version: string, ip: string, hostPort = 0) =>
  readPod({
    metadata: { namespace: "ns", name: "p", resourceVersion: version },
    spec: { containers: [{ ports: [{ hostPort, containerPort: 80 }] }] },
    status: { podIPs: ip === "" ? [] : [{ ip }] },
  });
const slice = (address: string, triggered = "2026-01-01T00:00:00Z") =>
  readEndpointSlice({
    metadata: {
      ...{ namespace: "ns", name: "s", labels: { "kubernetes.io/service-name": "a" } },
      annotations: { "endpoints.kubernetes.io/last-change-trigger-time": triggered },
    },
    addressType: "IPv4",
    endpoints: [{ addresses: [address] }],
  });

const cases: [what: string, change: ClusterChange, looksAt: "nothing" | "pods" | "slices" | "everything"][] = [
  ["a new list", { kind: "endpointSlices", change: undefined }, "everything"],
  [
    "a changed slice",
    { kind: "endpointSlices", change: { before: slice("10.0.0.1"), after: slice("10.0.0.2") } },
    "slices",
  ],
  [
    "a slice that has gone",
    { kind: "endpointSlices", change: { before: slice("10.0.0.1"), after: undefined } },
    "slices",
  ],
  [
    "an API server that comes",
    {
      kind: "endpointSlices",
      change: { before: undefined, after: { ...slice("203.0.113.9"), service: "default/kubernetes" } },
    },
    "everything",
  ],
  ["a status of a Service", { kind: "services", change: { before: service("1"), after: service("2") } }, "nothing"],
  [
    "a port of a Service",
    { kind: "services", change: { before: service("1"), after: service("2", 81) } },
    "everything",
  ],
  ["a heartbeat of a Node", { kind: "nodes", change: { before: node("1"), after: node("2") } }, "nothing"],
  ["a Pod network", { kind: "nodes", change: { before: node("1"), after: node("2", "10.9.0.0/24") } }, "everything"],
  ["a Pod's address", { kind: "pods", change: { before: pod("1", ""), after: pod("2", "10.244.0.5") } }, "pods"],
  [
    "one that a Service asks for",
    { kind: "pods", change: { before: undefined, after: pod("2", "203.0.113.1") } },
    "everything",
  ],
  ["a host port", { kind: "pods", change: { before: undefined, after: pod("2", "10.244.0.5", 8080) } }, "everything"],
  [
    "a status of a Pod",
    { kind: "pods", change: { before: pod("1", "10.244.0.5", 80), after: pod("2", "10.244.0.5", 80) } },
    "nothing",
  ],
];

test.each(cases)("%s: the next sync looks at no more than needed", (_, change, looksAt) => {
  const log = new ChangeLog(() => new Set(["203.0.113.1"]));
  log.take();
  expect(log.note(change)).toBe(looksAt !== "nothing");
  const { everything, pods, slices } = log.take();
  const looks = everything ? "everything" : slices.size > 0 ? "slices" : pods ? "pods" : "nothing";
  expect(looks).toBe(looksAt);
});

test("several changes of one slice are one, from what was last seen to what there is", () => {
  const log = new ChangeLog(() => new Set());
  log.take();
  const versions = [slice("10.0.0.1"), slice("10.0.0.2"), slice("10.0.0.3")] as const;
  log.note({ kind: "endpointSlices", change: { before: versions[0], after: versions[1] } });
  log.note({ kind: "endpointSlices", change: { before: versions[1], after: versions[2] } });
  expect(log.pending.slices).toBe(2);
  expect([...log.take().slices.values()]).toEqual([{ before: versions[0], after: versions[2] }]);
});

test("what could not be carried out is looked at whole, and so is the first time", () => {
  const log = new ChangeLog(() => new Set());
  expect(log.take().everything).toBe(true);
  expect(log.take().everything).toBe(false);
  log.putBack();
  expect(log.take()).toMatchObject({ everything: true, nodes: true, pods: true });
});

test("every trigger of a slice is told once, also through a sync that failed, and none for another change of the slice", () => {
  const log = new ChangeLog(() => new Set());
  log.take();
  const change = (before: number, after: number) =>
    log.note({
      kind: "endpointSlices",
      change: {
        before: slice("10.0.0.1", new Date(before).toISOString()),
        after: slice("10.0.0.2", new Date(after).toISOString()),
      },
    });
  change(1_000, 2_000);
  change(2_000, 3_000);
  const taken = log.take();
  expect(taken.triggeredAt).toEqual([2_000, 3_000]);
  log.putBack(taken);
  change(3_000, 3_000);
  change(3_000, 4_000);
  expect(log.take().triggeredAt).toEqual([2_000, 3_000, 4_000]);
  expect(log.take().triggeredAt).toEqual([]);
});
