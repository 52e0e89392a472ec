// SPDX-License-Identifier: Apache-2.0
// The vocabulary between the pure core and the kernel: what the maps hold, and the single writes that change them.

import type { IpFamily } from "./ip-address.ts";
import type { Steps } from "./steps.ts";

/** IP protocol numbers of the Services we serve. */
export type Protocol = 6 | 17 | 132;

/**
 * A frontend as the maps key it. `address` is IPv4 dotted or IPv6 text in canonical form; `"*4"` and `"*6"` are the
 * NodePort wildcards: any address of this node, of that family.
 */
export interface FrontendKey {
  readonly address: string;
  readonly port: number;
  readonly protocol: Protocol;
}

/** Where a frontend may be reached from. `cluster`: socket LB only. `external`: also packets that enter the node. */
export type FrontendScope = "cluster" | "external";

/** What a client from outside gets when its selection is empty: `reject` (RST or ICMP unreachable) or `drop`. */
export type NoEndpointVerdict = "reject" | "drop";

export interface FrontendEntry {
  /** Index into the selections array: what sockets of this node and Pods of the cluster are given. */
  readonly selection: number;
  /** Index into the selections array for packets that enter the node from outside; equal to `selection` unless the policies differ. */
  readonly externalSelection: number;
  /** What a packet from outside gets when `externalSelection` is empty. Sockets are always refused. */
  readonly noEndpoint: NoEndpointVerdict;
  /** Session affinity ClientIP: seconds since the last new connection within which a client keeps its backend; 0 for none. */
  readonly affinitySeconds: number;
  /** Clients are served only when their source lies in one of the service's source ranges; the node itself always is. */
  readonly sourceRanges: boolean;
  /** Stable 32-bit id of the Service port, for reverse look-ups and counters. */
  readonly service: number;
  readonly scope: FrontendScope;
  /**
   * How a packet's backend is found: any cell of the extent, or the cell that the packet's hash says. `maglev` asks for
   * extents of a prime number of cells that repeat the backends' ids. Sockets take any cell either way.
   * @default "random"
   */
  readonly algorithm?: "random" | "maglev";
  /**
   * Direct server return: the node of a backend elsewhere is handed the packet and answers the client. Needs `maglev`.
   * @default false
   */
  readonly dsr?: boolean;
}

/** An extent of `count` backend ids at `offset` of the arena; `count` 0 means: no endpoint, refuse. One aligned 8-byte write. */
export interface Selection {
  readonly offset: number;
  /** At most 65,535. */
  readonly count: number;
  /** Counts the flips, modulo 65,536. */
  readonly generation: number;
}

export interface Backend {
  readonly address: string;
  readonly port: number;
  readonly protocol: Protocol;
  /**
   * Of UDP, in the kernel: flows and sockets do not go on to it. It is there until nothing can choose it any more.
   * @default false
   */
  readonly gone?: boolean;
}

/** What the maps hold: read back at start, kept in step with every write that succeeded. */
export interface KernelState {
  /** Keyed by `frontendId(key)`. */
  readonly frontends: Map<string, { key: FrontendKey; entry: FrontendEntry }>;
  readonly selections: Map<number, Selection>;
  /** Arena cells of extents that some selection refers to, as backend ids. */
  readonly extents: Map<number, readonly number[]>;
  readonly backends: ReadonlyMap<number, Backend>;
  /** Keyed by `sourceRangeId(range)`. */
  readonly sourceRanges: Map<string, SourceRange>;
}

/** A network whose clients may use the frontends of `service` that have `sourceRanges` set. */
export interface SourceRange {
  readonly service: number;
  /** Canonical `address/length`. */
  readonly cidr: string;
}

export const frontendId = (key: FrontendKey): string => `${key.protocol}/${key.address}/${key.port}`;
export const sameBackend = (a: Backend, b: Backend): boolean =>
  a.address === b.address && a.port === b.port && a.protocol === b.protocol;
/** The same also in what its flows are told. */
export const sameCell = (a: Backend, b: Backend): boolean =>
  sameBackend(a, b) && (a.gone ?? false) === (b.gone ?? false);
/** Its flows can leave it at any packet. */
export const isDatagram = ({ protocol }: Pick<Backend, "protocol">): boolean => protocol === 17;
export const sourceRangeId = (range: SourceRange): string => `${range.service}/${range.cidr}`;
export const backendId = (backend: Backend): string => `${backend.protocol}/${backend.address}/${backend.port}`;

/** One write. Each is atomic as packets see it; a plan is a list of them that is safe to cut anywhere. */
export type Operation =
  | { readonly kind: "write-backend"; readonly id: number; readonly backend: Backend }
  | { readonly kind: "mark-backend"; readonly id: number; readonly gone: boolean }
  | {
      readonly kind: "write-extent";
      readonly offset: number;
      readonly backendIds: readonly number[];
      /** What the cells offer, by whoever has spread the backends over them; found out where it is not said. */
      readonly contents?: string;
    }
  | { readonly kind: "flip-selection"; readonly id: number; readonly selection: Selection }
  | { readonly kind: "upsert-frontend"; readonly key: FrontendKey; readonly entry: FrontendEntry }
  | { readonly kind: "delete-frontend"; readonly key: FrontendKey }
  /** Source ranges are written before the frontend that asks for them, and deleted after it. */
  | { readonly kind: "upsert-source-range"; readonly range: SourceRange }
  | { readonly kind: "delete-source-range"; readonly range: SourceRange }
  | { readonly kind: "clear-selection"; readonly id: number }
  | { readonly kind: "clear-backend"; readonly id: number };

/** Sizes of the maps, so that the core can refuse what does not fit, one Service at a time. */
export interface Capacity {
  readonly frontends: number;
  readonly selections: number;
  /** Arena cells. */
  readonly arena: number;
  readonly backends: number;
  readonly sourceRanges: number;
}

/** Node-wide facts that the programs, and the rules of what is served, need besides Services. */
export interface NodeNetwork {
  /** Addresses of this node: NodePort may answer on them and translated traffic leaves from `masqueradeAddresses`. */
  readonly nodeAddresses: readonly string[];
  /** Addresses of all nodes: socket LB may serve NodePort on them. */
  readonly clusterNodeAddresses: readonly string[];
  /** One of each family that the node has. */
  readonly masqueradeAddresses: readonly string[];
  /** This node's pod CIDRs: sources that are masqueraded. */
  readonly podCidrs: readonly string[];
  /** Pods of all nodes: clients inside the cluster, to which other pods go with their own addresses. */
  readonly clusterPodCidrs: readonly string[];
  /** Other destinations that see the pods' own addresses. */
  readonly nonMasqueradeCidrs: readonly string[];
  readonly nodePortRange: { readonly first: number; readonly last: number };
  /**
   * NodePorts are served at those addresses of nodes that lie in one of these networks; without any, at all of them.
   * @default []
   */
  readonly nodePortCidrs?: readonly string[];
  /** Families of which the pods' packets leave the cluster with an address of the node. */
  readonly masquerade: readonly IpFamily[];
  readonly socketLb: boolean;
  /**
   * No socket in the node's network namespace may bind to a port that a NodePort has, on an address where that answers.
   * @default true
   */
  readonly bindProtection?: boolean;
  /**
   * Some frontends may have `dsr`: packets to other nodes' NodePorts, which these hand over, are served.
   * @default false
   */
  readonly dsr?: boolean;
  /**
   * Where this node reaches the API server: no Service and no Pod is served there.
   * @default []
   */
  readonly apiEndpoints?: readonly ApiEndpoint[];
}

export interface ApiEndpoint {
  readonly address: string;
  readonly port: number;
}

/** What of these decides which addresses and ports Services are served on. */
export type ServingFacts = Partial<Pick<NodeNetwork, "nodeAddresses" | "nodePortRange" | "apiEndpoints">>;

/** The kernel as the shell drives it. Every method throws `KernelError` with the map, the key and errno. */
export interface Kernel {
  readonly capacity: Capacity;
  /** Reads the maps back (at start, and when they do not hold what they should). */
  read(): KernelState;
  /** Whether the maps hold this and nothing else; of extents only those that a selection refers to count. */
  holds(state: KernelState): Steps<boolean>;
  /** Carries out one operation; throws when it did not happen. */
  apply(operation: Operation): void;
  /** Sets node-wide facts; writes only what differs, and says how many writes that took. */
  configure(network: NodeNetwork): number;
  /** Counters by reason, summed over CPUs. */
  counters(): Readonly<Record<string, bigint>>;
  close(): void;
}
