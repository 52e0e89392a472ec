// SPDX-License-Identifier: Apache-2.0
// What the chart gives to a cluster with Prometheus Operator and Grafana, put into the words of a Prometheus that has neither.

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { program } from "../plugins/fixtures/programs.ts";
import type { AlertGroups, Dashboard } from "../support/chart-queries.ts";
import type { StackUnderTest } from "./stack-under-test.ts";

const CHART = join(import.meta.dirname, "../../agent/chart");
const SETTINGS = [
  ...["k8sServiceHost=192.0.2.1", "ipv4NativeRoutingCIDR=10.244.0.0/16"],
  ...["prometheus.serviceMonitor.enabled=true", "prometheus.rules.enabled=true", "dashboards.enabled=true"],
];

interface Rendered {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> };
  // biome-ignore lint/suspicious/noExplicitAny: objects of many kinds, looked at field by field
  readonly [field: string]: any;
}

interface AgentPod {
  readonly spec: {
    readonly nodeName: string;
    readonly containers: readonly {
      readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
    }[];
  };
  readonly status: { readonly podIP: string };
}

interface Relabeling {
  readonly sourceLabels: readonly string[];
  readonly targetLabel: string;
  readonly action: string;
}

export interface Monitored {
  readonly rules: AlertGroups;
  readonly dashboard: Dashboard;
  readonly scrape: object;
}

export function monitoredChart(stack: StackUnderTest): Monitored {
  const set = SETTINGS.flatMap((setting) => ["--set", setting]);
  const text = execFileSync(program("helm"), ["template", "sansproxy", CHART, ...set], { encoding: "utf8" });
  const objects = parseAllDocuments(text).map((document) => document.toJS() as Rendered);
  const find = (kind: string, name?: string): Rendered => {
    const found = objects.find((object) => object.kind === kind && (!name || object.metadata.name === name));
    if (!found) throw new Error(`the chart renders no ${kind}`);
    return found;
  };
  return {
    rules: find("PrometheusRule")["spec"] as AlertGroups,
    dashboard: JSON.parse(find("ConfigMap", "sansproxy-dashboard")["data"]["sansproxy.json"]) as Dashboard,
    scrape: scrapeConfig(find("Service"), find("ServiceMonitor"), stack),
  };
}

/** As the Operator does it, but for the interval; the Pods are found by the Service's selector on the live cluster. */
function scrapeConfig(service: Rendered, monitor: Rendered, stack: StackUnderTest): object {
  const [endpoint] = monitor["spec"].endpoints;
  const port = service["spec"].ports.find(({ name }: { name: string }) => name === endpoint.port);
  const selector = Object.entries(service["spec"].selector).map((pair) => pair.join("="));
  const query = ["get", "pods", "--namespace=kube-system", "--selector", selector.join(","), "--output=json"];
  const { items } = JSON.parse(stack.kubectl(...query)) as { items: AgentPod[] };
  const addressOf = ({ spec, status }: AgentPod): string => {
    const ports = spec.containers.flatMap(({ ports: all }) => all ?? []);
    return `${status.podIP}:${ports.find(({ name }) => name === port.targetPort)?.containerPort}`;
  };
  return {
    job_name: "sansproxy-of-the-chart",
    metrics_path: endpoint.path,
    static_configs: items.map((pod) => ({
      targets: [addressOf(pod)],
      labels: {
        job: service.metadata.labels[monitor["spec"].jobLabel],
        __meta_kubernetes_pod_node_name: pod.spec.nodeName,
      },
    })),
    relabel_configs: (endpoint.relabelings as Relabeling[]).map(({ sourceLabels, targetLabel, action }) => ({
      ...{ source_labels: sourceLabels, target_label: targetLabel, action },
    })),
  };
}
