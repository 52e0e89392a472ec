// SPDX-License-Identifier: Apache-2.0
// A table of Nodes and devices, and the addresses that translated packets leave this node with.

import { expect, test } from "vitest";
import { readNode } from "../../../agent/core/kubernetes-objects.ts";
import { nodeNetwork } from "../../../agent/core/node-network.ts";

const network = (internalIps: string[], deviceAddresses: string[] = [], externalIps: string[] = []) => {
  const addresses = [
    ...externalIps.map((address) => ({ type: "ExternalIP", address })),
    ...internalIps.map((address) => ({ type: "InternalIP", address })),
  ];
  return nodeNetwork([readNode({ metadata: { name: "n" }, status: { addresses } })], {
    nodeName: "n",
    deviceAddresses,
    nativeRoutingCidrs: [],
    nonMasqueradeCidrs: [],
    nodePortRange: { first: 30_000, last: 32_767 },
    masquerade: [4, 6],
    socketLb: true,
    bindProtection: true,
  });
};

test.each([
  [
    "the Node's internal ones, whatever else its devices carry",
    network(["192.0.2.1", "fd00::5"], ["10.0.0.1", "2001:db8::dead", "192.0.2.1", "fd00::5"]),
    ["192.0.2.1", "fd00::5"],
  ],
  ["the first internal one of a family", network(["192.0.2.9", "192.0.2.1"]), ["192.0.2.9"]],
  ["a device's, where the Node says none of the family", network(["192.0.2.1"], ["fd00::5"]), ["192.0.2.1", "fd00::5"]],
  ["never an external one, which no device may carry", network(["192.0.2.1"], [], ["2001:db8::1"]), ["192.0.2.1"]],
  ["of IPv6 alone on a node that has no other", network(["fd00::5"]), ["fd00::5"]],
])("packets leave with %s", (_, known, expected) => {
  expect(known?.masqueradeAddresses).toEqual(expected);
});

test("nothing is known of a node before it has an internal address", () => {
  expect(network([], ["192.0.2.1"])).toBeUndefined();
});
