// SPDX-License-Identifier: Apache-2.0
// This repository's proxy: its core plans from the objects, its maps and programs serve in a namespace of their own.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { desiredState } from "../../agent/core/desired-state.ts";
import { KernelMirror } from "../../agent/core/kernel-mirror.ts";
import {
  type Collection,
  objectKey,
  readEndpointSlice,
  readNode,
  readPod,
  readService,
  type Snapshot,
} from "../../agent/core/kubernetes-objects.ts";
import { nodeNetwork } from "../../agent/core/node-network.ts";
import { plan } from "../../agent/core/plan.ts";
import { defaultEntries, type MapName, type MapShape, mapFolders, mapShapes } from "../../agent/maps/map-table.ts";
import { compile } from "../../agent/shell/kernel/compile.ts";
import { Datapath } from "../../agent/shell/kernel/datapath.ts";
import { HashMap } from "../../agent/shell/kernel/hash-map.ts";
import { MappedArray } from "../../agent/shell/kernel/mapped-array.ts";
import { close, openPinned } from "../../agent/shell/kernel/syscall.ts";
import { forgetFlows } from "../support/forget-flows.ts";
import { cgroup2Mount, makeCgroup, mountBpffs } from "../support/netns.ts";
import { onOneCpu } from "../support/this-thread.ts";
import type { Cluster } from "./objects.ts";
import type { ServiceProxy } from "./proxy.ts";
import { API_ENDPOINTS, ASIDE, CLUSTER_CIDRS, HERE, NODE_PORTS, nodeObjects } from "./topology.ts";
import { NodeWorld } from "./wire/node-world.ts";
import { Prober } from "./wire/prober.ts";

const SIZES = { frontends: 1024, selections: 1024, arena: 8192, backends: 1024, sourceRanges: 256, flows: 16_384 };
/** Longer than the grace in which nothing is overwritten: no packet is on its way while objects change. */
const PAUSE_MS = 10_000;
const ROUNDS = 10;

export class OurProxy implements ServiceProxy {
  readonly name = "ours";
  readonly #world = new NodeWorld();
  readonly #prober = new Prober(this.#world);
  readonly #datapath: Datapath;
  readonly #mirror: KernelMirror;
  readonly #flows: HashMap;
  readonly #turns: MappedArray;
  readonly #home: string;
  readonly #cgroup: string;
  #clock = 0;
  #problems: readonly string[] = [];

  constructor() {
    try {
      const bpfRoot = mountBpffs(this.#world.cleanup);
      this.#cgroup = makeCgroup(this.#world.cleanup);
      this.#home = ownCgroup();
      this.#world.cleanup.add(() => this.#move(this.#home));
      const options = { bpfRoot, cgroupRoot: this.#cgroup, objectsDir: compile(), sizes: SIZES };
      // Made on the node, as the agent is: it tells the programs which namespace that is.
      this.#datapath = this.#world.node.inside(() => new Datapath(options));
      this.#world.cleanup.add(() => this.#datapath.close());
      this.#mirror = new KernelMirror(this.#datapath.read(), this.#clock);
      this.#flows = new HashMap("flows", ...this.#open(bpfRoot, "flows"));
      this.#turns = new MappedArray("flow_turns", ...this.#open(bpfRoot, "flow_turns"));
    } catch (error) {
      this.#world.cleanup.run();
      throw error;
    }
  }

  #open(bpfRoot: string, name: MapName): [fd: number, shape: MapShape] {
    const sizes = { ...defaultEntries, ...SIZES };
    const fd = openPinned(join(bpfRoot, "sansproxy", mapFolders(sizes)[name], name));
    if (fd === undefined) throw new Error(`map ${name} is not pinned`);
    this.#world.cleanup.add(() => close(fd));
    return [fd, mapShapes(sizes)[name]];
  }

  #move(cgroup: string): void {
    writeFileSync(join(cgroup, "cgroup.procs"), String(process.pid));
  }

  /** `pods` are Pods of this node as the API gives them, for their host ports. */
  async load(cluster: Cluster, pods: readonly object[] = []): Promise<void> {
    const snapshot: Snapshot = {
      pods: collection(pods.map(readPod)),
      services: collection(cluster.services.map(readService)),
      endpointSlices: collection(cluster.endpointSlices.map(readEndpointSlice)),
      nodes: collection(nodeObjects.map(readNode)),
    };
    const network = nodeNetwork([...snapshot.nodes.objects.values()], {
      nodeName: HERE.name,
      deviceAddresses: [...HERE.addresses, ...ASIDE],
      nativeRoutingCidrs: CLUSTER_CIDRS,
      nonMasqueradeCidrs: [],
      nodePortRange: NODE_PORTS,
      nodePortCidrs: cluster.nodePortAddresses ?? [],
      masquerade: [4, 6],
      socketLb: true,
      bindProtection: true,
      apiEndpoints: API_ENDPOINTS,
    });
    if (network === undefined) throw new Error("the node has no network of its own");
    this.#datapath.configure(network);
    const desired = desiredState(snapshot, HERE.name, network);
    this.#problems = desired.problems.map(({ service, reason }) => `${service} ${reason}`);
    this.#carryOut(desired);
    this.#world.node.inside(() => this.#datapath.attach(["eth0"], ["sandbox0"], ["pod0"], ["lo"]));
    // Numbers of packets come back after a while, and a flow would remember them.
    forgetFlows(this.#flows, this.#turns);
  }

  #carryOut(desired: ReturnType<typeof desiredState>): void {
    for (let round = 0; round < ROUNDS; round++) {
      this.#clock += PAUSE_MS;
      this.#mirror.releaseExtents(this.#clock);
      const { operations, deferred } = plan(this.#mirror, desired, this.#datapath.capacity, this.#clock);
      if (operations.length === 0 && deferred.length === 0) return;
      for (const operation of operations) {
        const objection = this.#mirror.objection(operation);
        if (objection !== undefined) throw new Error(`a plan of ours is unsafe: ${objection}`);
        this.#datapath.apply(operation);
        this.#mirror.record(operation, this.#clock);
      }
    }
    throw new Error(`after ${ROUNDS} rounds our plan still has writes to make`);
  }

  /** What of the last objects is not served as asked: whose and why. */
  get problems(): readonly string[] {
    return this.#problems;
  }

  probing<T>(run: (prober: Prober) => T): T {
    this.#move(this.#cgroup);
    try {
      return onOneCpu(() => run(this.#prober));
    } finally {
      this.#move(this.#home);
    }
  }

  async close(): Promise<void> {
    this.#world.cleanup.run();
  }
}

const collection = <T extends { readonly namespace: string; readonly name: string }>(objects: T[]): Collection<T> => ({
  synced: true,
  objects: new Map(objects.map((object) => [objectKey(object), object])),
});

/** The cgroup2 that this process is in. */
function ownCgroup(): string {
  const path = /^0::(.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1];
  if (path === undefined) throw new Error("this process is in no cgroup2");
  return join(cgroup2Mount(), path);
}
