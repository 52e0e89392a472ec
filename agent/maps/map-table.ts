// SPDX-License-Identifier: Apache-2.0
// Every shared map: its shape, and the name that it is pinned by, which changes with its layout and its size.
import { ADDRESS_BYTES } from "./address.ts";
import { counterNames } from "./counters.ts";
import { DEVICE_BYTES, FLAGS_BYTES, NETWORK_KEY_BYTES, NODE_CONFIG_BYTES } from "./node-layout.ts";
import {
  BACKEND_BYTES,
  FRONTEND_BYTES,
  FRONTEND_KEY_BYTES,
  SELECTION_BYTES,
  SOURCE_RANGE_KEY_BYTES,
} from "./service-layout.ts";

/** `SANSPROXY_ABI` in bpf/layout.h. */
export const ABI = 4;

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
const SK_STORAGE = 24;
const NO_PREALLOC = 1 << 0;
const MMAPABLE = 1 << 10;
/** Bytes of an entry's own bookkeeping and its share of the buckets, rounded up. */
const HASH_ENTRY_OVERHEAD = 64;

/** What the programs of a hook copy of one entry of `flows`, and how many hooks do: tc and XDP. */
const FLOW_COPY_BYTES = 32;
const FLOW_COPIERS = 2;

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
  /** Packets that come in fragments. */
  readonly fragments: number;
  readonly socketFlows: number;
  readonly nodeAddresses: number;
  readonly networks: number;
  /** Cgroups whose sockets are left alone. */
  readonly socketBypass: number;
}

export const defaultEntries: MapEntries = {
  frontends: 131_072,
  selections: 131_072,
  arena: 1_048_576,
  backends: 262_144,
  sourceRanges: 65_536,
  affinities: 65_536,
  flows: 262_144,
  fragments: 8192,
  socketFlows: 131_072,
  nodeAddresses: 65_536,
  networks: 65_536,
  socketBypass: 4096,
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
  | "devices"
  | "recent_devices"
  | "recent_routes"
  | "socket_bypass"
  | "socket_peers"
  | "socket_flows"
  | "flows"
  | "flow_turns"
  | "fragments"
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
    node_addresses: shape(HASH, ADDRESS_BYTES, FLAGS_BYTES, NO_PREALLOC, sizes.nodeAddresses),
    networks: shape(LPM_TRIE, NETWORK_KEY_BYTES, FLAGS_BYTES, NO_PREALLOC, sizes.networks),
    devices: shape(HASH, 4, DEVICE_BYTES, 0, 256),
    recent_devices: shape(PERCPU_ARRAY, 4, 24, 0, 1),
    recent_routes: shape(PERCPU_ARRAY, 4, 64, 0, 256),
    socket_bypass: shape(HASH, 8, FLAGS_BYTES, NO_PREALLOC, sizes.socketBypass),
    socket_peers: shape(SK_STORAGE, 4, 44, NO_PREALLOC, 0),
    socket_flows: shape(LRU_HASH, 32, 24, 0, sizes.socketFlows),
    flows: shape(LRU_HASH, 40, 52, 0, sizes.flows),
    flow_turns: shape(ARRAY, 4, 4, MMAPABLE, 16_384),
    fragments: shape(LRU_HASH, 40, 12, 0, sizes.fragments),
    counters: shape(PERCPU_ARRAY, 4, 8, 0, counterNames.length),
  };
}

/**
 * Maps that only make sense together share a folder below ours: were one of them to get a new size alone, its ids would
 * contradict what the others say. A folder's name says the sizes; one of another name stays as it is until the switch.
 */
const GROUPS = {
  services: {
    maps: ["frontends", "selections", "arena", "backends", "source_ranges", "affinities"],
    sizes: ["frontends", "selections", "arena", "backends", "sourceRanges", "affinities"],
  },
  node: {
    maps: ["node_config", "node_addresses", "networks", "devices", "socket_bypass"],
    sizes: ["nodeAddresses", "networks", "socketBypass"],
  },
  sockets: { maps: ["socket_flows"], sizes: ["socketFlows"] },
  flows: { maps: ["flows", "flow_turns"], sizes: ["flows"] },
  fragments: { maps: ["fragments"], sizes: ["fragments"] },
} as const satisfies Record<string, { maps: readonly MapName[]; sizes: readonly (keyof MapEntries)[] }>;

export type MapGroup = keyof typeof GROUPS;
const MAP_GROUPS = Object.keys(GROUPS) as MapGroup[];

const folderOf = (group: MapGroup, sizes: MapEntries): string =>
  `${group}_v${ABI}_${GROUPS[group].sizes.map((name) => sizes[name]).join("_")}`;

/** The folder of each map. */
export function mapFolders(sizes: MapEntries): Readonly<Record<MapName, string>> {
  const folders = MAP_GROUPS.flatMap((group) => GROUPS[group].maps.map((map) => [map, folderOf(group, sizes)]));
  return {
    ...Object.fromEntries(folders),
    // Sized by the sockets there are.
    socket_peers: `peers_v${ABI}`,
    counters: `counters_v${ABI}_${counterNames.length}`,
    // What programs tell themselves, and forget.
    recent_devices: `recent_v${ABI}`,
    recent_routes: `recent_v${ABI}`,
  };
}

/** The group and the sizes that a folder has in its name; undefined for any other folder, and of another version. */
export function sizesOfFolder(name: string): { group: MapGroup; sizes: Partial<MapEntries> } | undefined {
  for (const group of MAP_GROUPS) {
    const prefix = `${group}_v${ABI}_`;
    const numbers = name.startsWith(prefix) ? name.slice(prefix.length).split("_").map(Number) : [];
    if (numbers.length !== GROUPS[group].sizes.length || !numbers.every(Number.isInteger)) continue;
    return { group, sizes: Object.fromEntries(GROUPS[group].sizes.map((size, index) => [size, numbers[index]])) };
  }
  return undefined;
}

/** What the maps of these groups take of the machine's memory when they are full, in bytes. */
export function memoryOf(sizes: MapEntries, groups: readonly MapGroup[]): number {
  const shapes = mapShapes(sizes);
  const ofEntry = (shape: MapShape) =>
    (shape.flags & MMAPABLE) !== 0 ? arrayStride(shape) : shape.keyBytes + shape.valueBytes + HASH_ENTRY_OVERHEAD;
  const names: readonly MapName[] = groups.flatMap((group) => [...GROUPS[group].maps]);
  const copies = groups.includes("flows") ? sizes.flows * FLOW_COPY_BYTES * FLOW_COPIERS : 0;
  return names.reduce((sum, name) => sum + shapes[name].entries * ofEntry(shapes[name]), copies);
}
