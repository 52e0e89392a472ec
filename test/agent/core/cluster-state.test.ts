// SPDX-License-Identifier: Apache-2.0
// Proves that a change of endpoints makes new objects only of what is new: those that stay would have to be collected one day.

import { expect, test } from "vitest";
import { ClusterState } from "../../../agent/core/cluster-state.ts";
import { type EndpointSlice, readEndpointSlice, readService } from "../../../agent/core/kubernetes-objects.ts";
import { finish } from "../../../agent/core/steps.ts";
import { collection, NODE, nodes } from "./arbitrary-objects.ts";

const service = readService({
  metadata: { namespace: "ns", name: "s" },
  spec: { clusterIPs: ["10.96.0.1"], ports: [{ port: 80 }] },
});

const slice = (...hosts: number[]): EndpointSlice =>
  readEndpointSlice({
    metadata: { namespace: "ns", name: "s", labels: { "kubernetes.io/service-name": "s" } },
    addressType: "IPv4",
    ports: [{ port: 8080 }],
    endpoints: hosts.map((host) => ({ addresses: [`10.244.0.${host}`] })),
  });

const BEFORE = [11, 12, 13, 14, 15];

test.each([
  ["goes at the end", [11, 12, 13, 14], 4],
  ["goes at the beginning", [12, 13, 14, 15], 4],
  ["comes at the beginning", [10, ...BEFORE], 5],
  ["comes in the middle", [11, 12, 13, 131, 14, 15], 5],
  ["comes at the end", [...BEFORE, 16], 5],
  ["is replaced by one beside it", [11, 12, 131, 14, 15], 4],
  ["is replaced by one far away", [12, 13, 14, 15, 16], 4],
])("when an endpoint %s, the others stay the objects that they were", (_, hosts, kept) => {
  const state = new ClusterState(NODE);
  const before = slice(...BEFORE);
  const snapshot = { services: collection([service]), endpointSlices: collection([before]), nodes };
  finish(state.rebuild(snapshot, {}));
  const [change] = state.changeSlices([{ before, after: slice(...hosts) }]);
  const backendsOf = (which: "before" | "after") => change?.[which].selections[0]?.backends ?? [];
  expect(backendsOf("after").map(({ address }) => address)).toEqual(hosts.map((host) => `10.244.0.${host}`));
  const old = new Set(backendsOf("before"));
  expect(backendsOf("after").filter((backend) => old.has(backend))).toHaveLength(kept);
  expect(change?.after.frontends).toBe(change?.before.frontends);
});
