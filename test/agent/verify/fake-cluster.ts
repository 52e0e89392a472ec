// SPDX-License-Identifier: Apache-2.0
// An API server in memory for tests of the runner: probes end at once with the report a test gives them.
import type { V1DaemonSet, V1Deployment, V1Namespace, V1Node, V1Pod, V1Service } from "@kubernetes/client-node";
import { probeCheckNames } from "../../../agent/verify/checks.ts";
import type { Cluster } from "../../../agent/verify/cluster.ts";
import type { ProxiedObjects } from "../../../agent/verify/object-counts.ts";
import { NODE_LABEL, ROLE_LABEL } from "../../../agent/verify/objects.ts";
import { formatProbeReport, type ProbeReport } from "../../../agent/verify/probe-report.ts";

export const readyNode = (name: string, address: string): V1Node => ({
  metadata: { name },
  status: { conditions: [{ type: "Ready", status: "True" }], addresses: [{ type: "InternalIP", address }] },
});

export const readyPod = (name: string, node: string, labels: Record<string, string> = {}): V1Pod => ({
  metadata: { name, namespace: "kube-system", labels },
  spec: { nodeName: node, containers: [] },
  status: { phase: "Running", conditions: [{ type: "Ready", status: "True" }] },
});

export const agentDaemonSet = (nodes: number): V1DaemonSet => ({
  metadata: { name: "sansproxy", namespace: "kube-system", generation: 1 },
  spec: {
    selector: {},
    template: {
      spec: {
        containers: [
          { name: "agent", image: "ghcr.io/sansproxy/agent:0.1.0", readinessProbe: { httpGet: { port: 10256 } } },
        ],
      },
    },
  },
  status: {
    ...{ observedGeneration: 1, numberMisscheduled: 0, currentNumberScheduled: nodes, desiredNumberScheduled: nodes },
    ...{ updatedNumberScheduled: nodes, numberReady: nodes },
  },
});

export const dnsDeployment = (available: boolean): V1Deployment => ({
  metadata: { name: "coredns" },
  spec: { replicas: 2, selector: {}, template: {} },
  status: {
    availableReplicas: available ? 2 : 0,
    conditions: [{ type: "Available", status: available ? "True" : "False" }],
  },
});

const service = (name: string, clusterIP: string, port: number): V1Service => ({
  metadata: { name },
  spec: { clusterIP, ports: [{ port }] },
});

const podSucceeds = (pod: V1Pod): V1Pod => ({ ...pod, status: { phase: "Succeeded" } });

/** So many Services, each with two endpoints of its own. */
export const proxied = (count: number): ProxiedObjects => {
  const names = Array.from({ length: count }, (_, i) => `s${i}`);
  return {
    services: names.map((name, i) => ({
      metadata: { name, namespace: "n" },
      spec: { clusterIP: `10.96.1.${i}`, clusterIPs: [`10.96.1.${i}`], ports: [{ port: 80, protocol: "TCP" }] },
    })),
    endpointSlices: names.map((name, i) => ({
      metadata: { name, namespace: "n", labels: { "kubernetes.io/service-name": name } },
      addressType: "IPv4",
      ports: [{ name: "", port: 8080, protocol: "TCP" }],
      endpoints: [{ addresses: [`10.244.1.${i}`] }, { addresses: [`10.244.2.${i}`] }],
    })),
    nodes: [],
  };
};

/** A report in which everything passed, for the probe Pod's node and origin. */
export const passingReport = (pod: V1Pod): ProbeReport => {
  const node = pod.metadata?.annotations?.[NODE_LABEL] ?? "";
  const origin = pod.metadata?.labels?.[ROLE_LABEL] === "probe-host" ? "host" : "pod";
  const sample = { ready: true, services: 4, endpoints: 8, pending: 0, lastSync: "2026-11-23T09:00:00Z", reason: "" };
  return {
    checks: probeCheckNames(origin).map((name) => ({ name, node, passed: true, observed: "seen", durationMs: 1 })),
    agent: origin === "host" ? [sample] : [],
  };
};

export interface FakeCluster extends Cluster {
  state: {
    nodes: V1Node[];
    daemonSets: V1DaemonSet[];
    pods: V1Pod[];
    deployments: V1Deployment[];
    namespaces: V1Namespace[];
  };
  /** Names of all namespaces that were ever created. */
  readonly created: string[];
  report: (pod: V1Pod) => ProbeReport;
  /** What a command in a Pod prints; no test expects one unless it says so. */
  command: (pod: string, container: string, command: readonly string[]) => string;
  /** What becomes of a created probe Pod. */
  run: (pod: V1Pod) => V1Pod;
}

export const createFakeCluster = (): FakeCluster => {
  const log = (pod: V1Pod): string => `noise before\n${formatProbeReport(fake.report(pod))}`;
  const fake: FakeCluster = {
    server: "https://fake:6443",
    created: [],
    report: passingReport,
    run: podSucceeds,
    command: (pod, _, command) => {
      throw new Error(`No test expects "${command.join(" ")}" in ${pod}.`);
    },
    state: {
      nodes: [readyNode("a", "10.0.0.1"), readyNode("b", "10.0.0.2")],
      daemonSets: [agentDaemonSet(2)],
      pods: ["a", "b"].map((node) => readyPod(`sansproxy-${node}`, node, { "app.kubernetes.io/name": "sansproxy" })),
      deployments: [dnsDeployment(true)],
      namespaces: [],
    },
    nodes: async () => fake.state.nodes,
    daemonSets: async () => fake.state.daemonSets,
    deployments: async () => fake.state.deployments,
    pods: async (namespace, selector) => {
      const [label, value] = selector?.split("=") ?? [];
      return fake.state.pods.filter(
        ({ metadata }) =>
          (namespace === undefined || metadata?.namespace === namespace) &&
          (label === undefined || metadata?.labels?.[label] === value),
      );
    },
    service: async (_, name) =>
      service(name, name === "kubernetes" ? "10.96.0.1" : "10.96.0.10", name === "kubernetes" ? 443 : 53),
    services: async () => proxied(4).services,
    proxiedObjects: async () => proxied(4),
    podsOnNode: async () => [],
    podLog: async (_, name) => {
      const pod = fake.state.pods.find(({ metadata }) => metadata?.name === name);
      if (pod === undefined) throw new Error(`no Pod ${name}`);
      return log(pod);
    },
    runInPod: async (_, pod, container, command) => fake.command(pod, container, command),
    namespaces: async () => fake.state.namespaces,
    createNamespace: async (body) => {
      fake.state.namespaces.push(body);
      fake.created.push(body.metadata?.name ?? "");
    },
    createServiceAccount: async () => {},
    createConfigMap: async () => {},
    createDaemonSet: async (body) => {
      const { name, namespace, labels } = body.metadata ?? {};
      for (const node of fake.state.nodes) {
        const pod = readyPod(`${name}-${node.metadata?.name}`, node.metadata?.name ?? "", labels);
        fake.state.pods.push({ ...pod, metadata: { ...pod.metadata, namespace: namespace ?? "" } });
      }
    },
    createService: async (body) => ({
      ...body,
      spec: {
        ...body.spec,
        clusterIP: "10.96.0.77",
        ports: (body.spec?.ports ?? []).map((port) => ({
          ...port,
          ...(body.spec?.type === "NodePort" ? { nodePort: 30_777 } : {}),
        })),
      },
    }),
    createPod: async (body) => {
      fake.state.pods.push(fake.run(body));
    },
    deleteService: async () => {},
    deleteNamespace: async (name) => {
      fake.state.namespaces = fake.state.namespaces.filter(({ metadata }) => metadata?.name !== name);
      fake.state.pods = fake.state.pods.filter(({ metadata }) => metadata?.namespace !== name);
    },
  };
  return fake;
};
