// SPDX-License-Identifier: Apache-2.0
// Computes how many entries Cilium's maps need for an expected load, and what memory the maps take on a node.

import type { Values } from "../datapath-rules.ts";
import { valueAt } from "../datapath-rules.ts";

/** What the cluster is expected to hold; whole numbers, but for `portsPerService`, which is an average. */
export interface Load {
  readonly services: number;
  readonly endpoints: number;
  readonly portsPerService: number;
  readonly exposedServices: number;
  readonly addressesPerNode: number;
  readonly nodes: number | undefined;
  readonly nodeMemoryMib: number;
  readonly mapMemoryBudgetMib: number;
}

/** What the load puts into the Service maps. */
export interface Demand {
  /** Addresses and ports that are served; each takes a 16-bit id. */
  readonly frontends: number;
  /** Those of NodePort and LoadBalancer Services. */
  readonly exposedFrontends: number;
  /** Entries of the Service map: one for each frontend, and one for each of its backends. */
  readonly entries: number;
  readonly backends: number;
  /** Size that leaves room: also for Services of policy Local, which are entered twice, and a quarter for a rollout. */
  readonly lbMapMax: number;
}

/** Memory of one map. */
export interface MapMemory {
  readonly map: string;
  readonly entries: number;
  readonly bytes: number;
}

/** The chart's default size of each Service map. */
export const defaultLbMapMax = 65536;
/** The chart's default size of the table of nodes. */
export const defaultNodeMapMax = 16384;
/** The chart's default size of a Service's Maglev table. */
export const defaultTableSize = 16381;
/** The sizes that the agent takes. */
export const tableSizes: readonly number[] = [251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521, 131071];
/** The largest map that the agent makes. */
export const largestMap = 2 ** 24;
/** Ids of frontends have 16 bits, and 0 is none. */
export const largestFrontendCount = 65535;

const powerOfTwo = (count: number): number => 2 ** Math.ceil(Math.log2(Math.max(1, count)));

/** A NodePort is served on one wildcard, on every address of the node, and on the load balancer's address. */
export function demandOf(load: Load): Demand {
  const perExposed = 2 + load.addressesPerNode;
  const ports = load.portsPerService;
  const backends = load.endpoints * ports;
  const exposedFrontends = load.exposedServices * ports * perExposed;
  // Multiplied first: a quotient of whole numbers that has no fraction must not get one.
  const exposedBackends = load.services === 0 ? 0 : Math.ceil((backends * load.exposedServices) / load.services);
  const exposedEntries = exposedFrontends + exposedBackends * perExposed;
  const entries = load.services * ports + backends + exposedEntries;
  return {
    frontends: load.services * ports + exposedFrontends,
    exposedFrontends,
    entries,
    backends,
    lbMapMax: Math.max(defaultLbMapMax, powerOfTwo((entries + exposedEntries) * 1.25)),
  };
}

/** Room for twice the nodes, so that those that are replaced have some. */
export const nodeMapMaxFor = (nodes: number): number => Math.max(defaultNodeMapMax, powerOfTwo(nodes * 2));

/**
 * The table that 100 times the backends of a Service fill: then a change of one backend moves about 1 % of the other
 * backends' clients. No Service is known, but the largest has no less than the average; and no table is larger than the last.
 */
export function leastTableSize({ endpoints, services }: Load): number {
  const wanted = services === 0 ? 0 : (endpoints / services) * 100;
  return tableSizes.find((size) => size >= wanted) ?? Math.max(...tableSizes);
}

const [tcpDefault, anyDefault, natDefault, socketDefault] = [2 ** 19, 2 ** 18, 2 ** 19, 2 ** 18];
const [tcpLeast, anyLeast, natLeast, socketLeast] = [2 ** 17, 2 ** 16, 2 ** 17, 2 ** 16];

/** Entries of the maps of connections, as the agent sizes them by the node's memory. */
export interface ConnectionMaps {
  readonly tcp: number;
  readonly any: number;
  readonly nat: number;
  readonly neighbours: number;
  readonly sockets: number;
}

/** The sizes that the agent would choose on a node of so much memory, or that the values set. */
export function connectionMaps(values: Values, nodeMemoryBytes: number): ConnectionMaps {
  const chosen = (key: string): number | undefined => {
    const value = valueAt(values, `bpf.${key}`);
    return typeof value === "number" && value > 0 ? value : undefined;
  };
  const ratio = Number(valueAt(values, "bpf.mapDynamicSizeRatio") ?? 0.0025);
  // The agent spreads the memory over the maps in proportion to their default sizes, with these bytes for an entry.
  const defaultBytes = (tcpDefault + anyDefault) * 94 + natDefault * (94 + 24) + socketDefault * 48;
  const sized = (entries: number, least: number): number =>
    Math.min(largestMap, Math.max(least, Math.floor((entries * Math.floor(nodeMemoryBytes * ratio)) / defaultBytes)));
  const tcp = chosen("ctTcpMax") ?? sized(tcpDefault, tcpLeast);
  const any = chosen("ctAnyMax") ?? sized(anyDefault, anyLeast);
  const automatic = sized(natDefault, natLeast);
  const nat = chosen("natMax") ?? (automatic > tcp + any ? Math.floor(((tcp + any) * 2) / 3) : automatic);
  return { tcp, any, nat, neighbours: chosen("neighMax") ?? nat, sockets: sized(socketDefault, socketLeast) };
}

const eight = (bytes: number): number => Math.ceil(bytes / 8) * 8;
const buckets = (size: number): number => 16 * powerOfTwo(size);

/** A hash map that takes memory when it is made: the kernel's element header, the key and the value, for every entry. */
const preallocated = (size: number, key: number, value: number): number =>
  buckets(size) + size * (48 + eight(key) + eight(value));

/** A hash map that takes its buckets when it is made, and memory for the entries that it holds. */
const onDemand = (size: number, used: number, key: number, value: number): number =>
  buckets(size) + Math.min(used, size) * (56 + eight(key) + eight(value));

/** Bytes of keys and values, IPv4 and IPv6. */
const layouts = {
  4: {
    service: [12, 12],
    backend: [4, 12],
    reverse: [2, 6],
    affinity: [16, 16],
    ct: [14, 56],
    nat: [14, 40],
    neighbour: [4, 8],
    socket: [16, 8],
  },
  6: {
    service: [24, 12],
    backend: [4, 24],
    reverse: [2, 18],
    affinity: [24, 16],
    ct: [38, 56],
    nat: [38, 56],
    neighbour: [16, 8],
    socket: [32, 20],
  },
} as const;

function familyMaps(family: 4 | 6, values: Values, demand: Demand | undefined, nodeMemoryBytes: number): MapMemory[] {
  const layout = layouts[family];
  const size = Number(valueAt(values, "bpf.lbMapMax") ?? defaultLbMapMax);
  const preallocate = valueAt(values, "bpf.preallocateMaps") === true;
  const hash = (used: number, [key, value]: readonly [number, number]): number =>
    preallocate ? preallocated(size, key, value) : onDemand(size, used, key, value);
  const connections = connectionMaps(values, nodeMemoryBytes);
  const lru = (map: string, entries: number, [key, value]: readonly [number, number]): MapMemory => ({
    map: `${map} IPv${family}`,
    entries,
    bytes: preallocated(entries, key, value),
  });
  const services = (map: string, used: number, sizes: readonly [number, number]): MapMemory => ({
    map: `${map} IPv${family}`,
    entries: size,
    bytes: hash(used, sizes),
  });
  return [
    services("services", demand?.entries ?? size, layout.service),
    services("backends", demand?.backends ?? size, layout.backend),
    services("reverse NAT", demand?.frontends ?? size, layout.reverse),
    lru("session affinity", size, layout.affinity),
    lru("TCP connections", connections.tcp, layout.ct),
    lru("other connections", connections.any, layout.ct),
    lru("NAT", connections.nat, layout.nat),
    lru("neighbours", connections.neighbours, layout.neighbour),
    lru("sockets", connections.sockets, layout.socket),
  ];
}

/** Memory of a node of which nothing is known. */
export const assumedNodeMemoryMib = 8192;

/**
 * The memory of every large map: full ones where no load is expected. Left out are the maps of network policy, which grow
 * with a node's pods, and those below a megabyte.
 */
export function mapMemory(values: Values, load: Load | undefined): MapMemory[] {
  const demand = load === undefined ? undefined : demandOf(load);
  const nodeMemoryBytes = (load?.nodeMemoryMib ?? assumedNodeMemoryMib) * 2 ** 20;
  const families: (4 | 6)[] = valueAt(values, "ipv6.enabled") === true ? [4, 6] : [4];
  const maps = families.flatMap((family) => familyMaps(family, values, demand, nodeMemoryBytes));
  if (valueAt(values, "loadBalancer.algorithm") !== "maglev" || demand === undefined) return maps;
  const tableSize = Number(valueAt(values, "maglev.tableSize") ?? defaultTableSize);
  const tables = demand.exposedFrontends;
  return [...maps, { map: "Maglev tables", entries: tables, bytes: tables * eight(tableSize * 4) }];
}

/** All of it, in whole MiB. */
export function totalMib(maps: readonly MapMemory[]): number {
  return Math.ceil(maps.reduce((sum, { bytes }) => sum + bytes, 0) / 2 ** 20);
}
