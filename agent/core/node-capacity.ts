// SPDX-License-Identifier: Apache-2.0
// What the facts about nodes need of the maps, and what is left out, loudly, where the maps cannot hold them.

import type { NodeNetwork } from "./operation.ts";
import type { Problem } from "./problem.ts";

/** Sizes of the maps of the nodes' addresses, and of networks that are masqueraded or are not. */
export interface NodeCapacity {
  readonly nodeAddresses: number;
  readonly networks: number;
}

const addressesOf = ({ nodeAddresses, clusterNodeAddresses }: NodeNetwork) => [
  ...nodeAddresses,
  ...clusterNodeAddresses,
];
const exemptOf = (network: NodeNetwork) => [...network.clusterPodCidrs, ...network.nonMasqueradeCidrs];
const networksOf = (network: NodeNetwork) => [...network.podCidrs, ...exemptOf(network)];

/** An eighth more than there are: what is new is written before what it replaces is deleted. */
export const nodeNeeds = (network: NodeNetwork): NodeCapacity => ({
  nodeAddresses: Math.ceil((new Set(addressesOf(network)).size * 9) / 8),
  networks: Math.ceil((networkCount(network) * 9) / 8),
});

export const networkCount = (network: NodeNetwork): number => new Set(networksOf(network)).size;

/** This node's own addresses and Pods come first; of other nodes and networks as many as there is room for. */
export function fitNetwork(
  network: NodeNetwork,
  capacity: NodeCapacity,
  nodeName: string,
): { readonly network: NodeNetwork; readonly problems: readonly Problem[] } {
  const addresses = new Set([...new Set(addressesOf(network))].slice(0, capacity.nodeAddresses));
  const networks = new Set([...new Set(networksOf(network))].slice(0, capacity.networks));
  const fitted = {
    ...network,
    clusterNodeAddresses: network.clusterNodeAddresses.filter((address) => addresses.has(address)),
    clusterPodCidrs: network.clusterPodCidrs.filter((cidr) => networks.has(cidr)),
    nonMasqueradeCidrs: network.nonMasqueradeCidrs.filter((cidr) => networks.has(cidr)),
  };
  const service = `node/${nodeName}`;
  const problems: Problem[] = [];
  const remedy = "raise bpf.mapDynamicSizeRatio. Everything else is served.";
  const unknown = network.clusterNodeAddresses.length - fitted.clusterNodeAddresses.length;
  if (unknown > 0)
    problems.push({
      service,
      reason: "NodeAddressesFull",
      message: `Node ${nodeName}: sockets here do not reach NodePorts at ${unknown} addresses of other nodes by the short way, because the map of nodes' addresses is full; ${remedy}`,
    });
  const masqueraded = exemptOf(network).length - exemptOf(fitted).length;
  if (masqueraded > 0)
    problems.push({
      service,
      reason: "NetworksFull",
      message: `Node ${nodeName}: Pods reach ${masqueraded} networks under the node's address, because the map of networks that are not masqueraded is full; ${remedy}`,
    });
  return { network: fitted, problems };
}

const CONNECTIONS: Readonly<Record<string, Pick<Problem, "reason"> & { readonly what: string }>> = {
  affinities: { reason: "AffinitiesFull", what: "clients that have been away longest lose their session affinity" },
  flows: { reason: "FlowsFull", what: "connections that have been silent longest lose their backend" },
  fragments: { reason: "FragmentsFull", what: "packets in fragments whose first came longest ago lose the others" },
  socketFlows: { reason: "SocketFlowsFull", what: "UDP sockets that have been silent longest lose their backend" },
};

/** Of maps of connections that are full and may not grow. */
export const fullConnectionMaps = (maps: readonly string[], nodeName: string): Problem[] =>
  maps.flatMap((map) => {
    const known = CONNECTIONS[map];
    if (!known) return [];
    const message = `Node ${nodeName}: ${known.what}, because the map "${map}" is full; raise bpf.mapDynamicSizeRatio.`;
    return { service: `node/${nodeName}`, reason: known.reason, message };
  });
