// SPDX-License-Identifier: Apache-2.0
// The bytes of the node's own facts: its configuration, the nodes' addresses, and the networks around it.
import { nodePortAddresses } from "../core/node-port-addresses.ts";
import type { NodeNetwork } from "../core/operation.ts";
import { ADDRESS_BYTES, type Cidr, isMappedV4, parseAddress, parseCidr, shortened } from "./address.ts";

export const NODE_CONFIG_BYTES = 48;
export const NETWORK_KEY_BYTES = 20;
export const FLAGS_BYTES = 4;
export const DEVICE_BYTES = 8;

const NODE_SOCKET_LB = 1;
const NODE_MASQUERADE_V4 = 2;
const NODE_BIND_PROTECTION = 4;
const NODE_MASQUERADE_V6 = 8;
const NODE_DSR = 16;
const ADDRESS_OWN = 1;
const ADDRESS_CLUSTER = 2;
const ADDRESS_NO_NODE_PORT = 4;
const NETWORK_LOCAL_PODS = 1;
const NETWORK_NO_MASQUERADE = 2;
const NETWORK_CLUSTER_PODS = 4;
const DEVICE_TURNS = 1;
const DEVICE_TAKES = 2;

/** The entries of one map: key bytes in hexadecimal to value bytes. */
export type Entries = ReadonlyMap<string, Buffer>;

const flagsValue = (flags: number): Buffer => {
  const bytes = Buffer.alloc(FLAGS_BYTES);
  bytes.writeUInt32LE(flags, 0);
  return bytes;
};

/** Zeros where a family has no masquerade address. `namespace` is the cookie of the node's network namespace. */
export function encodeNodeConfig(network: NodeNetwork, namespace: bigint): Buffer {
  const bytes = Buffer.alloc(NODE_CONFIG_BYTES);
  for (const address of network.masqueradeAddresses.map(parseAddress))
    address.copy(bytes, isMappedV4(address) ? 0 : ADDRESS_BYTES);
  bytes.writeUInt16LE(network.nodePortRange.first, 32);
  bytes.writeUInt16LE(network.nodePortRange.last, 34);
  const flags =
    (network.socketLb ? NODE_SOCKET_LB : 0) |
    (network.masquerade.includes(4) ? NODE_MASQUERADE_V4 : 0) |
    (network.masquerade.includes(6) ? NODE_MASQUERADE_V6 : 0) |
    (network.bindProtection === false ? 0 : NODE_BIND_PROTECTION) |
    (network.dsr === true ? NODE_DSR : 0);
  bytes.writeUInt32LE(flags, 36);
  bytes.writeBigUInt64LE(namespace, 40);
  return bytes;
}

/** What `node_addresses` holds. */
export function nodeAddressEntries(network: NodeNetwork): Entries {
  const flags = new Map<string, number>();
  const all = [...network.nodeAddresses, ...network.clusterNodeAddresses];
  const serving = new Set(nodePortAddresses(all, network.nodePortCidrs ?? []));
  const add = (text: string, flag: number): void => {
    const key = parseAddress(text).toString("hex");
    flags.set(key, (flags.get(key) ?? 0) | flag | (serving.has(text) ? 0 : ADDRESS_NO_NODE_PORT));
  };
  for (const address of network.nodeAddresses) add(address, ADDRESS_OWN | ADDRESS_CLUSTER);
  for (const address of network.clusterNodeAddresses) add(address, ADDRESS_CLUSTER);
  return new Map([...flags].map(([key, value]) => [key, flagsValue(value)]));
}

/** What `networks` holds: each entry has the flags of every network around it, as only the longest match is read. */
export function networkEntries(network: NodeNetwork): Entries {
  const given = [
    ...network.podCidrs.map((text) => ({ cidr: parseCidr(text), flag: NETWORK_LOCAL_PODS })),
    ...network.clusterPodCidrs.map((text) => ({
      cidr: parseCidr(text),
      flag: NETWORK_CLUSTER_PODS | NETWORK_NO_MASQUERADE,
    })),
    ...network.nonMasqueradeCidrs.map((text) => ({
      cidr: parseCidr(text.includes("/") ? text : `${text}/${isMappedV4(parseAddress(text)) ? 32 : 128}`),
      flag: NETWORK_NO_MASQUERADE,
    })),
  ];
  const flags = new Map<string, number>();
  for (const { cidr, flag } of given) {
    const key = networkKey(cidr);
    flags.set(key, (flags.get(key) ?? 0) | flag);
  }
  // Each is looked up at every length that there is: comparing all with all is too slow for thousands of nodes.
  const lengths = [...new Set(given.map(({ cidr }) => cidr.prefixBits))];
  const around = (cidr: Cidr): number =>
    lengths
      .filter((prefixBits) => prefixBits <= cidr.prefixBits)
      .reduce((sum, prefixBits) => sum | (flags.get(networkKey(shortened(cidr, prefixBits))) ?? 0), 0);
  return new Map(given.map(({ cidr }) => [networkKey(cidr), flagsValue(around(cidr))]));
}

function networkKey({ prefixBits, address }: Cidr): string {
  const key = Buffer.alloc(NETWORK_KEY_BYTES);
  key.writeUInt32LE(prefixBits, 0);
  address.copy(key, 4);
  return key.toString("hex");
}

/** What an XDP program may do with frames of a device. */
export interface AcceleratedDevice {
  /** 6 bytes. */
  readonly mac: Buffer;
  /** Frames that came in by it can be turned around there. */
  readonly turns: boolean;
  /** Frames can be redirected to it, also those that came in by it. */
  readonly takes: boolean;
}

export function encodeDevice({ mac, turns, takes }: AcceleratedDevice): Buffer {
  const bytes = Buffer.alloc(DEVICE_BYTES);
  mac.copy(bytes, 0);
  bytes.writeUInt16LE((turns ? DEVICE_TURNS : 0) | (takes ? DEVICE_TAKES : 0), 6);
  return bytes;
}
