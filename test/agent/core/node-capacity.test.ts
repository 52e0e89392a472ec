// SPDX-License-Identifier: Apache-2.0
// What of a node's facts is left out where the maps are small: never this node's own, and never without a word.

import fc from "fast-check";
import { expect, test } from "vitest";
import { fitNetwork, nodeNeeds } from "../../../agent/core/node-capacity.ts";
import type { NodeNetwork } from "../../../agent/core/operation.ts";

const addresses = (count: number) => Array.from({ length: count }, (_, index) => `192.168.0.${index + 1}`);
const cidrs = (count: number) => Array.from({ length: count }, (_, index) => `10.244.${index}.0/24`);
const networkOf = (nodes: number): NodeNetwork => ({
  nodeAddresses: addresses(1),
  clusterNodeAddresses: addresses(nodes),
  masqueradeAddresses: ["192.168.0.1"],
  podCidrs: cidrs(1),
  clusterPodCidrs: cidrs(nodes),
  nonMasqueradeCidrs: [],
  nodePortRange: { first: 30_000, last: 32_767 },
  masquerade: [4],
  socketLb: true,
});

test("what it asks for is enough for all of it, and then nothing is left out", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200 }), (nodes) => {
      const network = networkOf(nodes);
      expect(fitNetwork(network, nodeNeeds(network), "n1")).toEqual({ network, problems: [] });
    }),
  );
});

test("where there is less room, this node's own come first, and a problem says how many others are left out", () => {
  const { network, problems } = fitNetwork(networkOf(5), { nodeAddresses: 2, networks: 3 }, "n1");
  expect(network.nodeAddresses).toEqual(addresses(1));
  expect(network.clusterNodeAddresses).toEqual(addresses(2));
  expect(network.podCidrs).toEqual(cidrs(1));
  expect(network.clusterPodCidrs).toEqual(cidrs(3));
  expect(problems.map(({ service, reason }) => `${service} ${reason}`)).toEqual([
    "node/n1 NodeAddressesFull",
    "node/n1 NetworksFull",
  ]);
  expect(problems[0]?.message).toContain("3 addresses of other nodes");
});
