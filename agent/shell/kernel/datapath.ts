// SPDX-License-Identifier: Apache-2.0
// The datapath in this machine's kernel: pinned maps and programs, as the `Kernel` that the core plans for.
import { join } from "node:path";
import type { Acceleration, AccelerationState } from "../../core/acceleration.ts";
import type { Capacity, Kernel, KernelState, NodeNetwork, Operation } from "../../core/operation.ts";
import type { Steps } from "../../core/steps.ts";
import { isAwaited, isSince, monotonicSeconds } from "../../maps/connection-layout.ts";
import { counterNames } from "../../maps/counters.ts";
import { defaultEntries, type MapEntries, type MapName } from "../../maps/map-table.ts";
import { deviceEntries } from "./acceleration.ts";
import { attachAll } from "./attach.ts";
import { cgroupId, findCgroup2 } from "./cgroup.ts";
import { HashMap } from "./hash-map.ts";
import { KernelError } from "./kernel-error.ts";
import type { BpfObject } from "./libbpf.ts";
import { MapCensus, type MapUsage } from "./map-census.ts";
import { copyArray, copyEntries, copyHash, copyMissing, countEntries, countValues } from "./map-copy.ts";
import { MappedArray } from "./mapped-array.ts";
import { networkNamespaceCookie } from "./network-namespace.ts";
import { configureBypass, configureDevices, configureNode } from "./node-tables.ts";
import type { Pins } from "./pins.ts";
import { possibleCpus } from "./possible-cpus.ts";
import { letGo, loadAtOnce, loadBeside } from "./program-loading.ts";
import { ServiceTables } from "./service-tables.ts";
import { type Released, SocketReleaser } from "./socket-releaser.ts";

/** Sizes of all maps; those of `Capacity` hold Services and nodes, the others hold connections. */
export type MapSizes = MapEntries;

export interface DatapathOptions {
  /** A mounted bpffs; everything is pinned in `<bpfRoot>/sansproxy`. */
  readonly bpfRoot: string;
  /** The cgroup root as mounted: cgroup2 itself, or a hybrid tree with cgroup2 at `<cgroupRoot>/unified`. */
  readonly cgroupRoot: string;
  /** The folder of the compiled `*.bpf.o`. */
  readonly objectsDir: string;
  /** Sizes that differ from the defaults. */
  readonly sizes?: Partial<MapSizes>;
  /** Forward by XDP what only passes the node; tc does it where that is not so. */
  readonly acceleration?: Acceleration;
}

/** Maps that the programs write: the least recently used entry gives way when they are full. */
const CONNECTION_MAPS = ["fragments", "affinities", "socket_flows", "flows"] as const;

export type ConnectionCounts = Readonly<Record<"affinities" | "socketFlows" | "flows" | "fragments", number>>;

/**
 * Opens or makes the pinned maps and loads the programs when constructed, and changes nothing that packets see before
 * `attach`. Call `attach` after the first full sync: until then the programs of an earlier run serve on.
 */
export class Datapath implements Kernel {
  readonly capacity: Capacity;
  readonly sizes: MapSizes;
  readonly #cgroup: string;
  readonly #objectsDir: string;
  #acceleration: AccelerationState;
  readonly #pins: Pins;
  /** Where this datapath was made, which is the node's own network namespace. */
  readonly #namespace = networkNamespaceCookie();
  readonly #objects: BpfObject[];
  readonly #fds: Map<MapName, number>;
  readonly #arrays = new Map<MapName, MappedArray>();
  readonly #tables: ServiceTables;
  /** Connections of before this second have been handed on. */
  #handedOn = 0;
  #releaser: SocketReleaser | undefined;
  #census: MapCensus | undefined;

  constructor(options: DatapathOptions, loaded = loadAtOnce(options)) {
    const { pins, objects, fds } = loaded;
    const sizes = { ...defaultEntries, ...options.sizes };
    this.capacity = sizes;
    this.sizes = sizes;
    this.#objectsDir = options.objectsDir;
    this.#acceleration = { mode: options.acceleration ?? "disabled", devices: [], refused: [] };
    this.#pins = pins;
    this.#objects = objects;
    this.#fds = fds;
    try {
      this.#cgroup = findCgroup2(options.cgroupRoot);
      this.#tables = new ServiceTables(
        this.#hash("frontends"),
        this.#array("selections"),
        this.#array("arena"),
        this.#array("backends"),
        this.#hash("source_ranges"),
      );
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The same while other work goes on: the programs are verified on another thread. */
  static async open(options: DatapathOptions): Promise<Datapath> {
    try {
      return new Datapath(options, await loadBeside(options));
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      // What stands in the way is said in full only here.
      return new Datapath(options);
    }
  }

  #fd(name: MapName): number {
    const fd = this.#fds.get(name);
    if (fd === undefined) throw new KernelError(`map ${name} was used after the datapath was closed`);
    return fd;
  }

  #hash(name: MapName): HashMap {
    return new HashMap(name, this.#fd(name), this.#pins.shapes[name]);
  }

  #array(name: MapName): MappedArray {
    const array = new MappedArray(name, this.#fd(name), this.#pins.shapes[name]);
    this.#arrays.set(name, array);
    return array;
  }

  #arrayOf(name: MapName): MappedArray {
    const array = this.#arrays.get(name);
    if (array === undefined) throw new KernelError(`map ${name} was used after the datapath was closed`);
    return array;
  }

  read(): KernelState {
    return this.#tables.read();
  }

  holds(state: KernelState): Steps<boolean> {
    return this.#tables.holds(state);
  }

  apply(operation: Operation): void {
    this.#tables.apply(operation);
  }

  configure(network: NodeNetwork): number {
    return configureNode(
      { config: this.#hash("node_config"), addresses: this.#hash("node_addresses"), networks: this.#hash("networks") },
      network,
      this.#namespace,
    );
  }

  /**
   * Leaves the sockets of these cgroups alone, with all below them; any other is served. The pods' packets are served
   * instead, once the hosts' ends of their devices are given to `attach`: attach first. Says how many writes it took.
   */
  bypassSockets(cgroups: readonly string[]): number {
    return configureBypass(this.#hash("socket_bypass"), cgroups.map(cgroupId));
  }

  /**
   * `podDevices` are the host's ends of pods whose sockets are not translated, `sctpDevices` those of others that may ask
   * Services by SCTP, which sockets' hooks do not see, and `loopback` is the loopback device while the node itself may; call
   * it again when they change. Devices that cannot be accelerated are told, and served by tc; throws for them at the end where
   * `native` must be.
   */
  attach(
    devices: readonly string[],
    podDevices: readonly string[] = [],
    sctpDevices: readonly string[] = [],
    loopback: readonly string[] = [],
  ): { readonly attached: readonly string[]; readonly kept: readonly string[] } {
    const { mode } = this.#acceleration;
    const places = { node: devices, pods: podDevices, sctp: sctpDevices, loopback, acceleration: mode };
    const { attached, kept, accelerated, refused } = attachAll(this.#pins, this.programs(), this.#cgroup, places);
    this.#acceleration = { mode, devices: [...accelerated.keys()], refused };
    configureDevices(this.#hash("devices"), deviceEntries(accelerated));
    this.#pins.removeOtherFolders();
    const [first] = refused;
    if (mode === "native" && first !== undefined)
      throw new KernelError(
        `${first.device} cannot run XDP in its driver, which loadBalancer.acceleration = native asks for: ${first.reason}; ` +
          `set it to best-effort, and the device is served by tc`,
      );
    return { attached, kept };
  }

  /** As the last `attach` left it. */
  get acceleration(): AccelerationState {
    return this.#acceleration;
  }

  /**
   * Takes over what the other datapath holds in maps that the two do not share, before anything is written here; yields after
   * each slice. Cut off anywhere, no frontend leads to what is not there. `from` must not be written by its owner meanwhile.
   */
  *copyFrom(from: Datapath): Generator<void> {
    for (const name of ["backends", "arena", "selections"] as const)
      if (!this.#shares(name, from)) yield* copyArray(from.#arrayOf(name), this.#arrayOf(name));
    for (const name of ["source_ranges", "networks", "node_config"] as const)
      if (!this.#shares(name, from)) yield* copyEntries(from.#hash(name), this.#hash(name));
    for (const name of ["node_addresses", "socket_bypass", "frontends"] as const)
      if (!this.#shares(name, from)) yield* copyHash(from.#hash(name), this.#hash(name));
    from.#handedOn = monotonicSeconds();
    for (const name of CONNECTION_MAPS)
      if (!this.#shares(name, from)) yield* copyHash(from.#hash(name), this.#hash(name));
  }

  /**
   * Takes over connections that the programs of the other datapath have entered since `copyFrom`, or since the last time;
   * yields after each slice. Fragments first: theirs are the entries that are asked for at once.
   */
  *copyLate(from: Datapath): Generator<void> {
    const since = from.#handedOn;
    const began = monotonicSeconds();
    for (const name of CONNECTION_MAPS)
      if (!this.#shares(name, from))
        yield* copyMissing(from.#hash(name), this.#hash(name), (value) => isSince(name, value, since));
    from.#handedOn = began;
  }

  /** Entries in use of the maps that the programs fill; yields now and then. */
  *countConnections(): Generator<void, ConnectionCounts> {
    const affinities = yield* countEntries(this.#hash("affinities"));
    const socketFlows = yield* countEntries(this.#hash("socket_flows"));
    const flows = yield* countEntries(this.#hash("flows"));
    // Nothing takes out those that have served: only the time tells them.
    const now = monotonicSeconds();
    const fragments = yield* countValues(this.#hash("fragments"), (fragment) => isAwaited(fragment, now));
    return { affinities, socketFlows, flows, fragments };
  }

  #shares(name: MapName, other: Datapath): boolean {
    return this.#pins.shares(name, other.#pins);
  }

  counters(): Readonly<Record<string, bigint>> {
    const cpus = possibleCpus();
    const shape = this.#pins.shapes.counters;
    const map = new HashMap("counters", this.#fd("counters"), { ...shape, valueBytes: 8 * cpus });
    const key = Buffer.alloc(4);
    const read = (index: number): bigint => {
      key.writeUInt32LE(index, 0);
      const values = map.get(key);
      if (values === undefined) throw new KernelError(`counter ${index} is missing from its map`);
      return Array.from({ length: cpus }, (_, cpu) => values.readBigUInt64LE(cpu * 8)).reduce((a, b) => a + b, 0n);
    };
    return Object.fromEntries(counterNames.map((name, index) => [name, read(index)]));
  }

  /** How full each map is, as the kernel counts it: none is walked. */
  mapUsage(): ReadonlyMap<MapName, MapUsage> {
    this.#census ??= new MapCensus(join(this.#objectsDir, "census.bpf.o"));
    return this.#census.usage(this.#fds);
  }

  /**
   * Lets go of connected UDP sockets whose backend is absent, in this process's network namespace and in those of the
   * given paths: call it after backends of UDP were cleared. Each is judged by the maps, so one call answers for all
   * that were. Needs CAP_PERFMON, and CAP_SYS_ADMIN for other namespaces; throws `KernelError` when it cannot work here.
   */
  releaseSockets(namespaces: readonly string[] = []): Released {
    const shared = ["socket_peers", "backends", "counters"] as const;
    this.#releaser ??= new SocketReleaser(
      join(this.#objectsDir, "release.bpf.o"),
      this.#pins.shapes,
      new Map(shared.map((name) => [name, this.#fd(name)])),
    );
    return this.#releaser.release(namespaces);
  }

  /** Descriptors of the loaded programs, valid until `close`. */
  programs(): ReadonlyMap<string, number> {
    return new Map(this.#objects.flatMap((object) => [...object.programs()]));
  }

  /** Lets go of the descriptors; what is pinned and attached stays. */
  close(): void {
    this.#releaser?.close();
    this.#releaser = undefined;
    this.#census?.close();
    this.#census = undefined;
    for (const array of this.#arrays.values()) array.close();
    this.#arrays.clear();
    letGo({ pins: this.#pins, objects: this.#objects, fds: this.#fds });
  }
}
