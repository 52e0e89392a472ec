// SPDX-License-Identifier: Apache-2.0
// The node's own facts in the kernel: only what differs is written.
import type { NodeNetwork } from "../../core/operation.ts";
import { type Entries, encodeNodeConfig, networkEntries, nodeAddressEntries } from "../../maps/node-layout.ts";
import type { HashMap } from "./hash-map.ts";

const onlyKey = Buffer.alloc(4);

/** Adds and changes first, so that nothing that stays is ever missing; returns the number of writes. */
function converge(map: HashMap, wanted: Entries): number {
  const found = new Map([...map.walk()].map(([key, value]) => [key.toString("hex"), value]));
  let writes = 0;
  for (const [key, value] of wanted) {
    if (found.get(key)?.equals(value)) continue;
    map.set(Buffer.from(key, "hex"), value);
    writes++;
  }
  for (const key of found.keys()) {
    if (wanted.has(key)) continue;
    map.delete(Buffer.from(key, "hex"));
    writes++;
  }
  return writes;
}

/** Makes these cgroups, by id, and what is below them, the ones whose sockets are left alone; returns the number of writes. */
export function configureBypass(map: HashMap, cgroups: readonly bigint[]): number {
  const value = Buffer.from([1, 0, 0, 0]);
  const key = (id: bigint): string => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(id);
    return bytes.toString("hex");
  };
  // Id 0 is no cgroup: it says that there is any.
  const ids = cgroups.length === 0 ? [] : [...cgroups, 0n];
  return converge(map, new Map(ids.map((id) => [key(id), value])));
}

/** Makes these the devices whose frames XDP may forward; returns the number of writes. */
export const configureDevices = (map: HashMap, devices: Entries): number => converge(map, devices);

/** Writes the networks before the switches that act on them. */
export function configureNode(
  maps: { readonly config: HashMap; readonly addresses: HashMap; readonly networks: HashMap },
  network: NodeNetwork,
  namespace: bigint,
): number {
  const config = encodeNodeConfig(network, namespace);
  let writes = converge(maps.networks, networkEntries(network)) + converge(maps.addresses, nodeAddressEntries(network));
  if (!maps.config.get(onlyKey)?.equals(config)) {
    maps.config.set(onlyKey, config);
    writes++;
  }
  return writes;
}
