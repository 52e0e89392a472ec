// SPDX-License-Identifier: Apache-2.0
// Every shared map: its shape, and the name that it is pinned by, which changes with its layout and its size.
import { ADDRESS_BYTES } from "./address.ts";
import { counterNames } from "./counters.ts";
import { FLAGS_BYTES, NETWORK_KEY_BYTES, NODE_CONFIG_BYTES } from "./node-layout.ts";
import {
  BACKEND_BYTES,
  FRONTEND_BYTES,
  FRONTEND_KEY_BYTES,
  SELECTION_BYTES,
  SOURCE_RANGE_KEY_BYTES,
} from "./service-layout.ts";

/** `SANSPROXY_ABI` in bpf/maps.h. */
export const ABI = 3;

export interface MapShape {
  /** `enum bpf_map_type`. */
  readonly type: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly flags: number;
  readonly entries: number;
}

const HASH = 1;
const ARRAY = 2;
const PERCPU_ARRAY = 6;
const LRU_HASH = 9;
const LPM_TRIE = 11;
const NO_PREALLOC = 1 << 0;
const MMAPABLE = 1 << 10;
/** Bytes of an entry's own bookkeeping and its share of the buckets, rounded up. */
const HASH_ENTRY_OVERHEAD = 64;

/** Cells of a mapped array lie this far apart: the kernel rounds values up to 8 bytes. */
export const arrayStride = (shape: MapShape): number => Math.ceil(shape.valueBytes / 8) * 8;

export interface MapEntries {
  readonly frontends: number;
  readonly selections: number;
  readonly arena: number;
  readonly backends: number;
  readonly sourceRanges: number;
  /** Clients of Services with session affinity. */
  readonly affinities: number;
  readonly flows: number;
  readonly socketFlows: number;
}

export const defaultEntries: MapEntries = {
  frontends: 131_072,
  selections: 131_072,
  arena: 1_048_576,
  backends: 262_144,
  sourceRanges: 65_536,
  affinities: 65_536,
  flows: 262_144,
  socketFlows: 131_072,
};

export type MapName =
  | "frontends"
  | "selections"
  | "arena"
  | "backends"
  | "source_ranges"
  | "affinities"
  | "node_config"
  | "node_addresses"
  | "networks"
  | "socket_bypass"
  | "socket_flows"
  | "flows"
  | "counters";

/** The shape of each map for the wanted sizes. */
export function mapShapes(sizes: MapEntries): Readonly<Record<MapName, MapShape>> {
  const shape = (type: number, keyBytes: number, valueBytes: number, flags: number, entries: number): MapShape => ({
    type,
    keyBytes,
    valueBytes,
    flags,
    entries,
  });
  return {
    frontends: shape(HASH, FRONTEND_KEY_BYTES, FRONTEND_BYTES, NO_PREALLOC, sizes.frontends),
    selections: shape(ARRAY, 4, SELECTION_BYTES, MMAPABLE, sizes.selections),
    arena: shape(ARRAY, 4, 4, MMAPABLE, sizes.arena),
    backends: shape(ARRAY, 4, BACKEND_BYTES, MMAPABLE, sizes.backends),
    source_ranges: shape(LPM_TRIE, SOURCE_RANGE_KEY_BYTES, FLAGS_BYTES, NO_PREALLOC, sizes.sourceRanges),
    affinities: shape(LRU_HASH, 24, 16, 0, sizes.affinities),
    node_config: shape(ARRAY, 4, NODE_CONFIG_BYTES, 0, 1),
    node_addresses: shape(HASH, ADDRESS_BYTES, FLAGS_BYTES, NO_PREALLOC, 65_536),
    networks: shape(LPM_TRIE, NETWORK_KEY_BYTES, FLAGS_BYTES, NO_PREALLOC, 65_536),
    socket_bypass: shape(HASH, 8, FLAGS_BYTES, NO_PREALLOC, 4096),
    socket_flows: shape(LRU_HASH, 32, 24, 0, sizes.socketFlows),
    flows: shape(LRU_HASH, 40, 52, 0, sizes.flows),
    counters: shape(PERCPU_ARRAY, 4, 8, 0, counterNames.length),
  };
}

const SERVICES = ["frontends", "selections", "arena", "backends", "sourceRanges", "affinities"] as const;

/** The sizes that a folder of maps of Services has in its name; undefined for any other folder, and of another version. */
export function sizesOfFolder(name: string): Pick<MapEntries, (typeof SERVICES)[number]> | undefined {
  const sizes = name.startsWith(`services_v${ABI}_`) ? name.split("_").slice(2).map(Number) : [];
  if (sizes.length !== SERVICES.length || !sizes.every(Number.isInteger)) return undefined;
  return Object.fromEntries(SERVICES.map((map, index) => [map, sizes[index]])) as Record<
    (typeof SERVICES)[number],
    number
  >;
}

/** What maps of these sizes take of the machine's memory when they are full, in bytes. */
export function memoryOf(sizes: MapEntries): number {
  const shapes = mapShapes(sizes);
  const ofEntry = (shape: MapShape) =>
    (shape.flags & MMAPABLE) !== 0 ? arrayStride(shape) : shape.keyBytes + shape.valueBytes + HASH_ENTRY_OVERHEAD;
  const names = ["frontends", "selections", "arena", "backends", "source_ranges", "affinities"] as const;
  return names.reduce((sum, name) => sum + shapes[name].entries * ofEntry(shapes[name]), 0);
}

/**
 * The folder, below ours, of each map. Maps that only make sense together share one: were one of them to get a new size
 * alone, its ids would contradict what the others say. A folder of another name stays as it is until the switch.
 */
export function mapFolders(sizes: MapEntries): Readonly<Record<MapName, string>> {
  const services = `services_v${ABI}_${SERVICES.map((map) => sizes[map]).join("_")}`;
  const node = `node_v${ABI}`;
  return {
    frontends: services,
    selections: services,
    arena: services,
    backends: services,
    source_ranges: services,
    affinities: services,
    node_config: node,
    node_addresses: node,
    networks: node,
    socket_bypass: node,
    socket_flows: `sockets_v${ABI}_${sizes.socketFlows}`,
    flows: `flows_v${ABI}_${sizes.flows}`,
    counters: `counters_v${ABI}_${counterNames.length}`,
  };
}
