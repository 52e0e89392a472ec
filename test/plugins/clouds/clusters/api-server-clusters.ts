// SPDX-License-Identifier: Apache-2.0
// Clusters that are a real API server with its etcd and hollow nodes: what is told to a cluster is real, what runs in it is not.
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { clock } from "../clock.ts";
import { ApiClient, type Endpoint } from "./api-client.ts";
import { endAttendant, startAttendant } from "./attendants.ts";
import { type Clusters, clientOf, hasPodNetwork, markPodNetwork, type NodePlan, readyNodeNames } from "./cluster.ts";

/** A control plane that does not answer for so long, in real seconds, has failed. */
const startSeconds = 300;

/** Clouds' API servers listen on 443: each of these gets a loopback address of its own. */
const freeAddress = async (): Promise<string> => {
  for (;;) {
    const octet = (from: number, to: number): number => from + Math.floor(Math.random() * (to - from));
    const address = `127.${octet(64, 128)}.${octet(0, 256)}.${octet(2, 250)}`;
    const free = await new Promise<boolean>((resolve, reject) => {
      const server = createServer();
      server.once("error", (error: NodeJS.ErrnoException) =>
        error.code === "EADDRINUSE"
          ? resolve(false)
          : reject(new Error(`port 443 of ${address}: ${error.message}; be root`)),
      );
      server.listen(443, address, () => server.close(() => resolve(true)));
    });
    if (free) return address;
  }
};

const hollow = ({ name, labels, taints }: NodePlan): object => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: { name, labels: { ...labels, "kubernetes.io/hostname": name, "kubernetes.io/os": "linux" } },
  spec: { taints },
});

const condition = (ready: boolean): object => ({
  type: "Ready",
  status: ready ? "True" : "False",
  reason: ready ? "KubeletReady" : "KubeletNotReady",
  message: ready ? "hollow node" : "container runtime network not ready: cni plugin not initialized",
  lastHeartbeatTime: new Date().toISOString(),
  lastTransitionTime: new Date().toISOString(),
});

const merge = "application/merge-patch+json";
const strategic = "application/strategic-merge-patch+json";

/** Cilium's chart, or the stand-in that records its values, is in the cluster. */
const ciliumInstalled = async (client: ApiClient): Promise<boolean> => {
  for (const path of ["configmaps/recorded-values", "configmaps/cilium-config"]) {
    if ((await client.send("GET", `/api/v1/namespaces/kube-system/${path}`)).status === 200) return true;
  }
  return false;
};

export const apiServerClusters = (): Clusters => ({
  async create(directory, _plan, log, signal): Promise<Endpoint> {
    const address = await freeAddress();
    log("a real API server and its etcd start on this box, in place of a cloud's control plane");
    startAttendant(directory, address);
    const client = await clock(1000).until(startSeconds, signal, async () => {
      const candidate = ApiClient.of(directory);
      if (existsSync(join(directory, "attendant.ended"))) {
        throw new Error(
          `the control plane ended: ${readFileSync(join(directory, "attendant.log"), "utf8").slice(-2000)}`,
        );
      }
      const ready = await candidate?.send("GET", "/readyz").catch(() => undefined);
      return ready?.status === 200 ? candidate : undefined;
    });
    if (client === undefined) throw new Error(`the control plane at ${address} did not start in ${startSeconds} s`);
    return client.endpoint;
  },

  async delete(directory) {
    await endAttendant(directory);
  },

  async addNodes(directory, nodes) {
    const client = clientOf(directory);
    for (const [index, node] of nodes.entries()) {
      await client.require([201, 409], "POST", "/api/v1/nodes", hollow(node));
      const addresses = [
        { type: "InternalIP", address: `10.0.0.${10 + index}` },
        { type: "Hostname", address: node.name },
      ];
      const status = { addresses, conditions: [condition(false)], capacity: { pods: "110" } };
      await client.require([200], "PATCH", `/api/v1/nodes/${node.name}/status`, { status }, strategic);
    }
  },

  async removeNodes(directory, names) {
    for (const name of names) await clientOf(directory).require([200, 404], "DELETE", `/api/v1/nodes/${name}`);
  },

  async installPodNetwork(directory) {
    markPodNetwork(directory);
  },

  // Hollow nodes run no Pods: DNS is there as soon as it would be scheduled.
  async installDns() {},
  dnsReady: async (directory) => (await readyNodeNames(directory)).length > 0,

  /** A hollow node has a network when the platform's is on, or when Cilium's chart is there; then it is ready. */
  async tend(directory) {
    const client = clientOf(directory);
    const cilium = await ciliumInstalled(client);
    if (!cilium && !hasPodNetwork(directory)) return;
    const { body } = await client.require([200], "GET", "/api/v1/nodes");
    for (const { metadata, spec } of body.items) {
      const path = `/api/v1/nodes/${metadata.name}`;
      await client.require([200], "PATCH", `${path}/status`, { status: { conditions: [condition(true)] } }, strategic);
      // biome-ignore lint/suspicious/noExplicitAny: taints of a Node.
      const left = (spec.taints ?? []).filter((taint: any) => taint.key !== "node.cilium.io/agent-not-ready");
      // Cilium's agent takes its own taint away when it serves the node.
      if (cilium && left.length < (spec.taints ?? []).length) {
        await client.require([200], "PATCH", path, { spec: { taints: left } }, merge);
      }
    }
  },
});
