// SPDX-License-Identifier: Apache-2.0
// Derives from the Nodes what this node's programs and routes must know: addresses, pod networks, ways to other nodes.

import { familyOf, type IpFamily, parseIp } from "./ip-address.ts";
import type { Node } from "./kubernetes-objects.ts";
import type { ApiEndpoint, NodeNetwork } from "./operation.ts";

const FAMILIES: readonly IpFamily[] = [4, 6];

export interface NodeSettings {
  readonly nodeName: string;
  /** Addresses that this node's devices carry. */
  readonly deviceAddresses: readonly string[];
  /** Networks of the cluster's pods, beside those that the Nodes name. */
  readonly nativeRoutingCidrs: readonly string[];
  /** Networks outside the cluster to which pods go with their own addresses. */
  readonly nonMasqueradeCidrs: readonly string[];
  readonly nodePortRange: { readonly first: number; readonly last: number };
  /**
   * Where NodePorts are served; empty: at all addresses of nodes.
   * @default []
   */
  readonly nodePortCidrs?: readonly string[];
  readonly masquerade: readonly IpFamily[];
  readonly socketLb: boolean;
  readonly bindProtection: boolean;
  /** @default false */
  readonly dsr?: boolean;
  /** @default [] */
  readonly apiEndpoints?: readonly ApiEndpoint[];
}

/** Route to the pods of one other node. */
export interface PodRoute {
  readonly cidr: string;
  readonly via: string;
  readonly family: IpFamily;
}

export function ownNode(nodes: Iterable<Node>, nodeName: string): Node | undefined {
  for (const node of nodes) if (node.name === nodeName) return node;
  return undefined;
}

/** Undefined while this node has no Node object with an InternalIP. */
export function nodeNetwork(nodes: readonly Node[], settings: NodeSettings): NodeNetwork | undefined {
  const own = ownNode(nodes, settings.nodeName);
  if (!own || canonical(own.internalIps).length === 0) return undefined;
  const clusterNodeAddresses = canonical(nodes.flatMap((node) => [...node.internalIps, ...node.externalIps]));
  return {
    nodeAddresses: canonical([...own.internalIps, ...own.externalIps, ...settings.deviceAddresses]),
    clusterNodeAddresses,
    masqueradeAddresses: FAMILIES.flatMap((family) => masqueradeAddress(own, settings, family) ?? []),
    podCidrs: [...own.podCidrs].sort(),
    clusterPodCidrs: distinct([...settings.nativeRoutingCidrs, ...nodes.flatMap((node) => node.podCidrs)]),
    nonMasqueradeCidrs: distinct([
      ...settings.nonMasqueradeCidrs,
      ...clusterNodeAddresses.map((address) => (familyOf(address) === 4 ? `${address}/32` : `${address}/128`)),
    ]),
    nodePortRange: settings.nodePortRange,
    nodePortCidrs: settings.nodePortCidrs ?? [],
    masquerade: settings.masquerade,
    socketLb: settings.socketLb,
    bindProtection: settings.bindProtection,
    dsr: settings.dsr ?? false,
    apiEndpoints: settings.apiEndpoints ?? [],
  };
}

/** The address by which the other nodes know this one; a device's, when its Node says none of the family. */
const masqueradeAddress = (own: Node, { deviceAddresses }: NodeSettings, family: IpFamily): string | undefined =>
  firstOf(own.internalIps, family) ?? firstOf(canonical(deviceAddresses), family);

/** Sorted by network; nodes that lack a pod network or an InternalIP of its family are left out until they have it. */
export function podRoutes(nodes: Iterable<Node>, nodeName: string): PodRoute[] {
  const routes: PodRoute[] = [];
  for (const node of nodes) {
    if (node.name === nodeName) continue;
    for (const cidr of node.podCidrs) {
      const family = familyOf(cidr);
      const via = family && firstOf(node.internalIps, family);
      if (family && via) routes.push({ cidr, via, family });
    }
  }
  return routes.sort((a, b) => (a.cidr < b.cidr ? -1 : 1));
}

const firstOf = (addresses: readonly string[], family: IpFamily): string | undefined =>
  addresses.flatMap((address) => parseIp(address) ?? []).find((address) => address.family === family)?.text;

const distinct = (texts: readonly string[]): string[] => [...new Set(texts)].sort();

/** Canonical, without duplicates and what is no address; sorted. */
const canonical = (addresses: readonly string[]): string[] =>
  distinct(addresses.flatMap((address) => parseIp(address)?.text ?? []));
