// SPDX-License-Identifier: Apache-2.0
// The real kube-proxy as a process in a namespace of its own, fed by an API server of ours, in one of its modes.
import { type ChildProcess, execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { onOneCpu } from "../support/this-thread.ts";
import { markers } from "./marker.ts";
import { ObjectServer } from "./object-server.ts";
import type { Cluster } from "./objects.ts";
import { endpointText, type Fate, type Probe } from "./probe.ts";
import type { ServiceProxy } from "./proxy.ts";
import { CLUSTER_CIDRS, HERE, nodeObjects } from "./topology.ts";
import { NodeWorld } from "./wire/node-world.ts";
import { Prober } from "./wire/prober.ts";

const SYNC_DEADLINE_MS = 60_000;
const ASK_EVERY_MS = 5;
const MARKER_PACKETS = 16;

/** kubeproxy.config.k8s.io/v1alpha1, as `--config` reads it. */
const configuration = (mode: KubeProxyMode, kubeconfig: string, nodePortAddresses: readonly string[]) => ({
  apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
  kind: "KubeProxyConfiguration",
  mode,
  hostnameOverride: HERE.name,
  // Our API server speaks JSON.
  clientConnection: {
    kubeconfig,
    contentType: "application/json",
    acceptContentTypes: "application/json",
    qps: 1000,
    burst: 1000,
  },
  clusterCIDR: CLUSTER_CIDRS.join(","),
  detectLocalMode: "ClusterCIDR",
  // Every address of the node, as in the iptables mode's default; the nftables mode's is its first alone.
  nodePortAddresses: nodePortAddresses.length === 0 ? ["0.0.0.0/0", "::/0"] : nodePortAddresses,
  iptables: { minSyncPeriod: "50ms", syncPeriod: "1h" },
  nftables: { minSyncPeriod: "50ms", syncPeriod: "1h" },
  // A namespace cannot set these.
  conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: "0s", tcpCloseWaitTimeout: "0s" },
  healthzBindAddress: "127.0.0.1:10256",
  metricsBindAddress: "127.0.0.1:10249",
});

export type KubeProxyMode = "iptables" | "nftables";

export class KubeProxy implements ServiceProxy {
  readonly name: KubeProxyMode;
  readonly #program: string;
  readonly #world = new NodeWorld();
  readonly #prober = new Prober(this.#world);
  readonly #server = new ObjectServer();
  readonly #directory = mkdtempSync(join(tmpdir(), "sansproxy-kube-proxy-"));
  readonly #port: number;
  readonly #log: string[] = [];
  #process: ChildProcess | undefined;
  /** What the process was started with, which it reads once. */
  #nodePortAddresses = "";
  #generation = 0;

  constructor(program: string, mode: KubeProxyMode) {
    this.name = mode;
    this.#program = program;
    this.#world.cleanup.add(() => rmSync(this.#directory, { recursive: true }));
    try {
      for (const node of nodeObjects) this.#server.put(node);
      this.#port = this.#server.listen(this.#world.node);
      this.#world.cleanup.add(() => this.#server.close());
      this.#world.own.add(endpointText("127.0.0.1", this.#port));
    } catch (error) {
      this.#world.cleanup.run();
      throw error;
    }
  }

  #start(nodePortAddresses: readonly string[]): ChildProcess {
    const kubeconfig = join(this.#directory, "kubeconfig");
    const cluster = { name: "oracle", cluster: { server: `http://127.0.0.1:${this.#port}` } };
    const context = { name: "oracle", context: { cluster: "oracle", user: "oracle" } };
    const users = [{ name: "oracle", user: {} }];
    writeFileSync(
      kubeconfig,
      JSON.stringify({
        apiVersion: "v1",
        kind: "Config",
        clusters: [cluster],
        contexts: [context],
        users,
        "current-context": "oracle",
      }),
    );
    const config = join(this.#directory, "config.yaml");
    writeFileSync(config, JSON.stringify(configuration(this.name, kubeconfig, nodePortAddresses)));
    const command = [this.#program, "--config", config, "--v=1"];
    const child = this.#world.node.start(["sh", "-c", 'exec "$0" "$@" 2>&1', ...command]);
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.#log.push(text);
      if (this.#log.length > 200) this.#log.shift();
    });
    this.#world.cleanup.add(() => child.kill("SIGKILL"));
    return child;
  }

  /** The last objects of both streams are markers: when packets to these arrive, all before them are served. */
  async load(cluster: Cluster): Promise<void> {
    const nodePortAddresses = cluster.nodePortAddresses ?? [];
    if (this.#process === undefined || this.#nodePortAddresses !== nodePortAddresses.join()) {
      await this.#stop();
      this.#process = this.#start(nodePortAddresses);
      this.#nodePortAddresses = nodePortAddresses.join();
    }
    this.#generation++;
    const marks = markers(this.#generation);
    this.#server.replace([...cluster.services, ...cluster.endpointSlices], marks.objects);
    const deadline = performance.now() + SYNC_DEADLINE_MS;
    while (!marks.probes.every(({ probe, backend }) => this.#reachesAlone(probe, backend))) {
      if (this.#process.exitCode !== null)
        throw new Error(`kube-proxy ended with ${this.#process.exitCode}:\n${this.#lastWords()}`);
      if (performance.now() > deadline)
        throw new Error(`kube-proxy (${this.name}) did not serve the objects within a minute:\n${this.#lastWords()}`);
      await pause(ASK_EVERY_MS);
    }
    execFileSync("nsenter", [`--net=${this.#world.node.path}`, "conntrack", "-F"], { stdio: "ignore" });
  }

  /** Of two backends, one is never chosen so often in a row by luck. */
  #reachesAlone(probe: Probe, backend: string): boolean {
    const isIt = (fate: Fate | undefined) => fate?.kind === "backend" && fate.backend === backend;
    return this.#prober.ask(probe, MARKER_PACKETS, (fates) => !isIt(fates.at(-1))).every(isIt);
  }

  #lastWords(): string {
    return this.#log.join("").split("\n").slice(-30).join("\n");
  }

  probing<T>(run: (prober: Prober) => T): T {
    return onOneCpu(() => run(this.#prober));
  }

  async #stop(): Promise<void> {
    if (this.#process === undefined || this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await ended;
  }

  async close(): Promise<void> {
    await this.#stop();
    this.#world.cleanup.run();
  }
}
