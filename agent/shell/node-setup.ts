// SPDX-License-Identifier: Apache-2.0
// Keeps this machine's own files and routes in step with the Nodes: the CNI configuration and the routes to other nodes.

import { setTimeout as pause } from "node:timers/promises";
import type { Collection, Node } from "../core/kubernetes-objects.ts";
import { ownNode, podRoutes } from "../core/node-network.ts";
import { Backoff } from "./backoff.ts";
import { syncDirectRoutes } from "./direct-routes.ts";
import { errorText, type Log } from "./log.ts";
import { installPodNetwork, removePodNetwork } from "./pod-network.ts";
import { type RunIp, runIp } from "./run-ip.ts";

export interface NodeSetupOptions {
  readonly nodeName: string;
  readonly nodes: Collection<Node>;
  readonly autoDirectNodeRoutes: boolean;
  readonly cni: { readonly install: boolean; readonly confPath: string };
  /** MTU for pods; asked when the node's devices can be known. */
  readonly mtu: () => Promise<number>;
  readonly log: Log;
  readonly run?: RunIp;
}

const RETRY = { firstMs: 500, limitMs: 30_000 };

export class NodeSetup {
  readonly #options: NodeSetupOptions;
  readonly #backoff = new Backoff(RETRY);
  readonly #stop = new AbortController();
  /** Ends the pause before a retry: what was missing may be there now. */
  #wake = new AbortController();
  #wanted = false;
  #running: Promise<void> | undefined;
  #ready = false;
  #reason = "waiting for the API server's Nodes";

  constructor(options: NodeSetupOptions) {
    this.#options = options;
  }

  /** The pod network is installed and the routes have been tried; stays true from then on. */
  get ready(): boolean {
    return this.#ready;
  }

  /** Why pods cannot have their network yet; empty when they can. */
  get reason(): string {
    return this.#reason;
  }

  /** The Nodes have changed. */
  trigger(): void {
    this.#wanted = true;
    this.#wake.abort();
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#wanted && !this.#stop.signal.aborted) {
      this.#wanted = false;
      try {
        this.#reason = await this.#apply();
      } catch (error) {
        this.#reason = errorText(error);
      }
      if (this.#reason === "") {
        this.#backoff.reset();
        continue;
      }
      this.#options.log.warn("the node's network is not set up yet", { reason: this.#reason });
      this.#wanted = true;
      this.#wake = new AbortController();
      const signal = AbortSignal.any([this.#stop.signal, this.#wake.signal]);
      // A pause ends early when it is aborted: to stop, or because something has changed.
      await pause(this.#backoff.nextMs(), undefined, { signal }).catch(() => undefined);
    }
  }

  /** Returns what is still missing. Nothing is removed before the Nodes' first list is complete. */
  async #apply(): Promise<string> {
    const { nodes, nodeName, log } = this.#options;
    if (!nodes.synced) return "waiting for the API server's Nodes";
    const all = [...nodes.objects.values()];
    const missing = await this.#applyPodNetwork(ownNode(all, nodeName));
    const routes = this.#options.autoDirectNodeRoutes ? podRoutes(all, nodeName) : [];
    const { added, removed, failures } = await syncDirectRoutes(routes, this.#options.run ?? runIp);
    if (added.length + removed.length > 0) log.info("changed the routes to other nodes' pods", { added, removed });
    // One node that cannot be reached directly must not make all others unready.
    if (missing === "") this.#ready = true;
    return [missing, ...failures].filter((text) => text !== "").join("; ");
  }

  async #applyPodNetwork(own: Node | undefined): Promise<string> {
    const { cni, nodeName, log } = this.#options;
    if (!cni.install) {
      if (await removePodNetwork(cni.confPath)) log.info("removed our CNI configuration", { confPath: cni.confPath });
      return "";
    }
    if (!own) return `Node ${nodeName} is not registered yet`;
    if (own.podCidrs.length === 0)
      return `Node ${nodeName} has no spec.podCIDR; the controller manager must run with --allocate-node-cidrs`;
    const mtu = await this.#options.mtu();
    if (await installPodNetwork(own.podCidrs, { confPath: cni.confPath, mtu }))
      log.info("wrote the CNI configuration", { podCidrs: own.podCidrs, mtu, confPath: cni.confPath });
    return "";
  }
}
