// SPDX-License-Identifier: Apache-2.0
// The cluster around the node under test: names and addresses that never change, so that one probe means the same everywhere.
import type { NodeObject } from "./objects.ts";

interface Place {
  readonly name: string;
  readonly zone: string;
  readonly addresses: readonly [v4: string, v6: string];
  readonly podCidrs: readonly [v4: string, v6: string];
}

const place = (index: number, zone: string): Place => ({
  name: `node-${index}`,
  zone,
  addresses: [`10.77.0.${index + 1}`, `fd00:77::${index + 1}`],
  podCidrs: [`10.244.${index}.0/24`, `fd00:244:0:${index}::/64`],
});

/** The node under test comes first. */
export const PLACES = [place(1, "zone-a"), place(2, "zone-a"), place(3, "zone-b")] as const;
export const HERE = PLACES[0];
/** The node under test has these addresses on its device as well, which its Node object does not name. */
export const ASIDE = ["10.78.0.2", "fd00:78::2"] as const;

/** The way from the node to everything outside. */
export const GATEWAY = ["10.77.0.1", "fd00:77::1"] as const;
export const CLUSTER_CIDRS = ["10.244.0.0/16", "fd00:244::/48"] as const;
export const SERVICE_CIDRS = ["10.96.0.0/16", "fd00:96::/112"] as const;
export const NODE_PORTS = { first: 30_000, last: 32_767 } as const;

/** The API server: at an address of its own, and on a node. */
export const API_ENDPOINTS = [
  { address: "10.79.0.1", port: 6443 },
  { address: PLACES[2].addresses[0], port: 6443 },
] as const;

/** The `host`th pod of a node. */
export const podAddress = (at: Place, host: number, family: 4 | 6): string => {
  const index = PLACES.indexOf(at as (typeof PLACES)[number]) + 1;
  return family === 4 ? `10.244.${index}.${host}` : `fd00:244:0:${index}::${host.toString(16)}`;
};

/** Pods of this node that probes come from: one whose sockets are served, and one whose packets are. */
export const CLIENT_POD = 5;
export const SANDBOX_POD = 6;
/** The other pods of this node. */
export const LOCAL_PODS = [7, 8, 9] as const;

export const nodeObjects: readonly NodeObject[] = PLACES.map(({ name, zone, addresses, podCidrs }) => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: {
    name,
    uid: `uid-${name}`,
    creationTimestamp: "2026-01-01T00:00:00Z",
    labels: { "kubernetes.io/hostname": name, "topology.kubernetes.io/zone": zone },
  },
  spec: { podCIDR: podCidrs[0], podCIDRs: podCidrs },
  status: { addresses: addresses.map((address) => ({ type: "InternalIP", address })) },
}));
