// SPDX-License-Identifier: Apache-2.0
// A node's reconciler over a kernel that can fail, with all that it is told and all that it says.

import { expect } from "vitest";
import {
  type EndpointSlice,
  readEndpointSlice,
  readService,
  type Service,
  type Snapshot,
} from "../../../agent/core/kubernetes-objects.ts";
import type { NodeCapacity } from "../../../agent/core/node-capacity.ts";
import type { Capacity, NodeNetwork } from "../../../agent/core/operation.ts";
import { createLog } from "../../../agent/shell/log.ts";
import { Metrics } from "../../../agent/shell/metrics.ts";
import { Reconciler, type ReconcilerTiming } from "../../../agent/shell/reconciler.ts";
import { collection, nodes } from "../core/arbitrary-objects.ts";
import { FaultyKernel } from "./faulty-kernel.ts";

export const NETWORK: NodeNetwork = {
  nodeAddresses: ["192.0.2.1"],
  clusterNodeAddresses: ["192.0.2.1"],
  masqueradeAddresses: ["192.0.2.1"],
  podCidrs: [],
  clusterPodCidrs: [],
  nonMasqueradeCidrs: [],
  nodePortRange: { first: 30_000, last: 32_767 },
  masquerade: [4],
  socketLb: true,
};

export const service = (name: string, index: number): Service =>
  readService({
    metadata: { namespace: "ns", name, creationTimestamp: "2026-01-01T00:00:00Z" },
    spec: { clusterIPs: [`10.96.0.${index}`], ports: [{ port: 80 }] },
  });

export const slice = (name: string, hosts: number[]): EndpointSlice =>
  readEndpointSlice({
    metadata: { namespace: "ns", name, labels: { "kubernetes.io/service-name": name } },
    addressType: "IPv4",
    ports: [{ name: "", protocol: "TCP", port: 8080 }],
    endpoints: hosts.map((host) => ({ addresses: [`10.244.0.${host}`], conditions: { ready: true } })),
  });

/** Frontends of the Services a and b. */
export const A = "6/10.96.0.1/80";
export const B = "6/10.96.0.2/80";

export class ReconciledNode {
  kernel = new FaultyKernel();
  /** What the API server says; `trigger` or `setSlices` after a change. */
  state: Snapshot = {
    services: collection([service("a", 1), service("b", 2)]),
    endpointSlices: collection([slice("a", [1, 2]), slice("b", [3])]),
    nodes,
  };
  makeRoom: (needs: Capacity) => boolean = () => false;
  fullMaps: string[] = [];
  nodeRoom: NodeCapacity | undefined;
  checked: string[] = [];
  readonly lines: string[] = [];
  readonly announced: string[] = [];
  readonly releases: string[] = [];
  /** Whether Pods may ask by SCTP, as each attachment was told. */
  readonly servedSctp: boolean[] = [];
  #running: { readonly reconciler: Reconciler; readonly metrics: Metrics } | undefined;

  get reconciler(): Reconciler {
    return this.#started().reconciler;
  }

  #started() {
    if (this.#running === undefined) throw new Error("start the node first");
    return this.#running;
  }

  start(timing: Partial<ReconcilerTiming> = {}, network: () => NodeNetwork | undefined = () => NETWORK): void {
    const { kernel } = this;
    const metrics = new Metrics({ counters: () => kernel.counters(), mapUsage: () => new Map() });
    const reconciler = new Reconciler({
      kernel,
      nodeName: "node-1",
      snapshot: () => this.state,
      resourceVersions: () => ({ services: "7" }),
      network,
      room: {
        forServices: async (needs) => this.makeRoom(needs),
        forNode: async (needs) => this.nodeRoom ?? needs,
        forConnections: async () => this.fullMaps,
      },
      attachment: {
        sync: async (_, again, servesSctp) => {
          this.servedSctp.push(servesSctp);
          return { attached: again ? kernel.attach().attached : [], problems: [] };
        },
      },
      staleSockets: { note: () => this.releases.push("note"), release: () => this.releases.push("release") },
      announce: (problem) => this.announced.push(`${problem.service} ${problem.reason}`),
      checkHealth: (checks) => {
        this.checked = checks.map(({ name, port, localEndpoints }) => `${name}:${port}=${localEndpoints}`);
        return [];
      },
      log: createLog("debug", (line) => this.lines.push(line)),
      metrics,
      timing: { retry: { firstMs: 5, limitMs: 20 }, coalesceMs: 1, ...timing },
    });
    this.#running = { reconciler, metrics };
    reconciler.trigger();
  }

  ready = () => expect.poll(() => this.reconciler.status().ready).toBe(true);

  setSlices(...slices: EndpointSlice[]): void {
    this.state = { ...this.state, endpointSlices: collection(slices) };
    this.reconciler.trigger();
  }

  async value(metric: string) {
    return (await this.#started().metrics.registry.getSingleMetric(metric)?.get())?.values ?? [];
  }

  async sampleOf(metric: string, labels: object): Promise<number | undefined> {
    return (await this.value(metric)).find((sample) => JSON.stringify(sample.labels) === JSON.stringify(labels))?.value;
  }

  /** How many observations a histogram has. */
  async countOf(metric: string): Promise<number> {
    const isCount = (sample: object) => "metricName" in sample && sample.metricName === `${metric}_count`;
    return (await this.value(metric)).find(isCount)?.value ?? 0;
  }

  syncs(): Promise<number> {
    return this.countOf("kubeproxy_sync_proxy_rules_duration_seconds");
  }
}
