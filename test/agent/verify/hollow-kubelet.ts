// SPDX-License-Identifier: Apache-2.0
// Plays the kubelets of a real API server that has no nodes: binds and finishes Pods, and serves their logs. Runs no container.
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { AppsV1Api, CoreV1Api, type KubeConfig, type V1Pod } from "@kubernetes/client-node";

export interface HollowKubelet extends AsyncDisposable {
  /** The port that Nodes must name as their kubelet's. */
  readonly port: number;
  /** Whether Pods bound to a node are started (and end at once), or wait for ever. */
  startsPods: boolean;
}

const conditions = [{ type: "Ready", status: "True" }];

/** `log` gives what the probe Pod of that name has written. */
export const startHollowKubelet = async (
  config: KubeConfig,
  log: (namespace: string, pod: string) => Promise<string>,
): Promise<HollowKubelet> => {
  const core = config.makeApiClient(CoreV1Api);
  const folder = mkdtempSync(join(tmpdir(), "sansproxy-kubelet-"));
  const [key, cert] = [join(folder, "key"), join(folder, "cert")];
  execFileSync(
    "openssl",
    ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=node", "-keyout", key, "-out", cert],
    { stdio: "pipe" },
  );
  const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (request, response) => {
    const [, kind, namespace, pod] = new URL(request.url ?? "", "https://node").pathname.split("/");
    if (kind !== "containerLogs") throw new Error(`unexpected request to a kubelet: ${request.url}`);
    log(namespace ?? "", pod ?? "").then(
      (text) => response.end(text),
      (error: Error) => response.writeHead(500).end(error.message),
    );
  }).listen(0, "127.0.0.1");
  await once(server, "listening");

  const bind = (name: string, namespace: string, node: string): Promise<unknown> =>
    core.createNamespacedPodBinding({
      name,
      namespace,
      body: { metadata: { name }, target: { kind: "Node", name: node } },
    });

  /** One step of a Pod's life. A Pod that another client changed or removed meanwhile, or whose namespace goes, is looked at again. */
  const step = async (pod: V1Pod): Promise<void> => {
    const { name = "", namespace = "", deletionTimestamp } = pod.metadata ?? {};
    if (deletionTimestamp !== undefined) {
      await core.deleteNamespacedPod({ name, namespace, gracePeriodSeconds: 0 });
    } else if (pod.spec?.nodeName === undefined) {
      const terms = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
      await bind(name, namespace, terms?.[0]?.matchFields?.[0]?.values?.[0] ?? "");
    } else if (kubelet.startsPods && (pod.status?.phase ?? "Pending") === "Pending") {
      const ends = pod.spec.restartPolicy === "Never";
      pod.status = ends ? { phase: "Succeeded" } : { phase: "Running", conditions };
      await core.replaceNamespacedPodStatus({ name, namespace, body: pod });
    }
  };
  let running = true;
  const loop = (async () => {
    while (running) {
      const { items } = await core.listPodForAllNamespaces();
      for (const pod of items) {
        await step(pod).catch((error: { code?: number }) => {
          if (![403, 404, 409].includes(error.code ?? 0)) throw error;
        });
      }
      await pause(100);
    }
  })();
  // Its failure is thrown when the kubelet is disposed of.
  loop.catch(() => {});
  const kubelet: HollowKubelet = {
    port: (server.address() as AddressInfo).port,
    startsPods: true,
    async [Symbol.asyncDispose]() {
      running = false;
      server.closeAllConnections();
      server.close();
      rmSync(folder, { recursive: true });
      await loop;
    },
  };
  return kubelet;
};

/** A Ready node on the loopback whose kubelet is at that port. */
export const createNode = async (config: KubeConfig, name: string, port: number): Promise<void> => {
  const core = config.makeApiClient(CoreV1Api);
  const node = await core.createNode({ body: { metadata: { name, labels: { "kubernetes.io/os": "linux" } } } });
  node.status = {
    conditions,
    addresses: [{ type: "InternalIP", address: "127.0.0.1" }],
    daemonEndpoints: { kubeletEndpoint: { Port: port } },
  };
  await core.replaceNodeStatus({ name, body: node });
  // The API server adds this taint to every new node until its controllers find it ready.
  await core.patchNode({ name, body: [{ op: "remove", path: "/spec/taints" }] }).catch((error: { code?: number }) => {
    if (error.code !== 422) throw error;
  });
};

/** The agent's DaemonSet as its chart makes it, as far as a verification reads it; Pods follow by the controller. */
export const createAgentAndDns = async (config: KubeConfig): Promise<void> => {
  const apps = config.makeApiClient(AppsV1Api);
  const core = config.makeApiClient(CoreV1Api);
  const namespace = "kube-system";
  const workload = (labels: Record<string, string>, image: string) => ({
    selector: { matchLabels: labels },
    template: {
      metadata: { labels },
      spec: { tolerations: [{ operator: "Exists" }], containers: [{ name: "c", image }] },
    },
  });
  const agent = workload({ "app.kubernetes.io/name": "sansproxy" }, "ghcr.io/sansproxy/agent:0.1.0");
  await apps.createNamespacedDaemonSet({ namespace, body: { metadata: { name: "sansproxy" }, spec: agent } });
  const dns = { replicas: 2, ...workload({ "k8s-app": "kube-dns" }, "registry.k8s.io/coredns/coredns:v1.14.2") };
  const body = { metadata: { name: "coredns", labels: { "k8s-app": "kube-dns" } }, spec: dns };
  const deployment = await apps.createNamespacedDeployment({ namespace, body });
  deployment.status = {
    availableReplicas: 2,
    replicas: 2,
    readyReplicas: 2,
    conditions: [{ type: "Available", status: "True" }],
  };
  await apps.replaceNamespacedDeploymentStatus({ name: "coredns", namespace, body: deployment });
  const ports = [{ name: "dns", port: 53, protocol: "UDP" }];
  await core.createNamespacedService({ namespace, body: { metadata: { name: "kube-dns" }, spec: { ports } } });
};
