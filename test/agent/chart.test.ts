// SPDX-License-Identifier: Apache-2.0
// Checks the Helm chart: rights and limits of the DaemonSet, values in Cilium's words, and what is refused before installing.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { parseConfig } from "../../agent/config.ts";
import { keyProblems } from "../../components/internal/cilium/known-keys.ts";
import { program } from "../plugins/fixtures/programs.ts";

const REPOSITORY = join(import.meta.dirname, "../..");
const CHART = join(REPOSITORY, "agent/chart");
const GOOD = ["k8sServiceHost=192.0.2.10", "ipv4NativeRoutingCIDR=10.244.0.0/16"];

const file = (path: string): string => readFileSync(path, "utf8");
const values = parse(file(join(CHART, "values.yaml"))) as Record<string, unknown>;

const isTree = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length > 0;

const leaves = (value: unknown, path = ""): string[] =>
  isTree(value) && !path.startsWith("resources")
    ? Object.entries(value).flatMap(([key, inner]) => leaves(inner, path ? `${path}.${key}` : key))
    : [path];

/** A reason to skip, or undefined. */
const helmMissing = ((): string | undefined => {
  try {
    program("helm");
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
})();

const render = (...settings: string[]): string => {
  const set = settings.flatMap((setting) => ["--set", setting]);
  try {
    const command = ["template", "sansproxy", CHART, "-n", "kube-system", ...set];
    return execFileSync(program("helm"), command, { encoding: "utf8", stdio: "pipe" });
  } catch (error) {
    return (error as { stderr: string }).stderr;
  }
};

interface Rendered {
  readonly kind: string;
  // biome-ignore lint/suspicious/noExplicitAny: objects of many kinds, looked at field by field
  readonly [field: string]: any;
}
const allOf = (...settings: string[]): Rendered[] =>
  parseAllDocuments(render(...GOOD, ...settings)).map((document) => document.toJS() as Rendered);
const ofKind = (kind: string, ...settings: string[]): Rendered => {
  const found = allOf(...settings).find((object) => object.kind === kind);
  if (!found) throw new Error(`the chart renders no ${kind}`);
  return found;
};

test("its version is the package's", () => {
  const { version } = JSON.parse(file(join(REPOSITORY, "package.json"))) as { version: string };
  expect(parse(file(join(CHART, "Chart.yaml")))).toMatchObject({ version, appVersion: version });
});

test("its schema names exactly the values that values.yaml documents, and refuses all others at every level", () => {
  const schema = JSON.parse(file(join(CHART, "values.schema.json"))) as Record<string, unknown>;
  const named = (node: Record<string, unknown>, path: string): string[] => {
    const properties = node["properties"] as Record<string, Record<string, unknown>> | undefined;
    if (!properties || path === "resources") return [path];
    expect(node["additionalProperties"], path).toBe(false);
    return Object.entries(properties).flatMap(([key, inner]) => named(inner, path ? `${path}.${key}` : key));
  };
  const ours = leaves(values).map((path) => (path.startsWith("resources") ? "resources" : path));
  expect(new Set(named(schema, "").filter((path) => path !== "global"))).toEqual(new Set(ours));
});

test("its values are Cilium's, by name and type, but for those of which Cilium has nothing of the kind", () => {
  expect(keyProblems("", values).map(({ propertyPath }) => propertyPath)).toEqual([
    // The address is kube-proxy's own.
    ...["metricsBindAddress", "socketLB.bypassRuntimeClasses", "prometheus.rules"],
  ]);
});

describe.skipIf(helmMissing !== undefined)(`rendered by helm${helmMissing ? ` (skipped: ${helmMissing})` : ""}`, () => {
  test("it passes helm's own strict lint", () => {
    const set = GOOD.flatMap((setting) => ["--set", setting]);
    const text = execFileSync(program("helm"), ["lint", "--strict", CHART, ...set], { encoding: "utf8" });
    expect(text).toContain("0 chart(s) failed");
  });

  test("the agent understands the configuration it is given", () => {
    const config = JSON.parse(ofKind("ConfigMap")["data"]["config.json"]);
    expect(parseConfig(config, { nodeName: "node-1" })).toMatchObject({
      apiServer: { host: "192.0.2.10", port: 6443 },
      http: { host: "0.0.0.0", port: 10256 },
    });
  });

  test("the DaemonSet names the networks of NodePorts, where there are any, and the agent is given them", () => {
    expect(ofKind("DaemonSet")["metadata"].annotations).toBeUndefined();
    const setting = "nodePort.addresses={192.168.10.0/24,2001:db8::/32}";
    const { annotations } = ofKind("DaemonSet", setting)["metadata"];
    expect(annotations).toEqual({ "sansproxy.io/node-port-addresses": "192.168.10.0/24 2001:db8::/32" });
    const config = parseConfig(JSON.parse(ofKind("ConfigMap", setting)["data"]["config.json"]), { nodeName: "node-1" });
    expect(config.nodePortCidrs).toEqual(["192.168.10.0/24", "2001:db8::/32"]);
  });

  test("the agent may only list and watch four kinds of objects, and create Events", () => {
    expect(ofKind("ClusterRole")["rules"]).toEqual([
      { apiGroups: [""], resources: ["services", "nodes"], verbs: ["list", "watch"] },
      { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["list", "watch"] },
      { apiGroups: [""], resources: ["pods"], verbs: ["list", "watch"] },
      { apiGroups: ["events.k8s.io"], resources: ["events"], verbs: ["create"] },
    ]);
  });

  test("the agent has three capabilities and is confined otherwise", () => {
    const { spec } = ofKind("DaemonSet")["spec"].template;
    expect(spec.securityContext).toEqual({ seccompProfile: { type: "RuntimeDefault" } });
    expect(spec.containers[0].securityContext).toEqual({
      privileged: false,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      runAsUser: 0,
      runAsGroup: 0,
      capabilities: { drop: ["ALL"], add: ["BPF", "NET_ADMIN", "PERFMON"] },
    });
    expect(spec.hostPID).toBeUndefined();
  });

  test("the agent may enter Pods' network namespaces only where their UDP sockets are to be let go", () => {
    const podOf = (...settings: string[]) => ofKind("DaemonSet", ...settings)["spec"].template.spec;
    const more = podOf("socketLB.terminatePodConnections=true");
    expect(more.containers[0].securityContext.capabilities.add).toEqual(["BPF", "NET_ADMIN", "PERFMON", "SYS_ADMIN"]);
    const paths = (spec: { volumes: { hostPath?: { path: string } }[] }) => spec.volumes.map((v) => v.hostPath?.path);
    expect(paths(more)).toContain("/var/run/netns");
    expect(paths(podOf())).not.toContain("/var/run/netns");
  });

  test("no folder of CNI plugins is made on a node whose platform brings its own: its root may be read-only", () => {
    const pathsOf = (...settings: string[]) => {
      const { volumes, containers } = ofKind("DaemonSet", ...settings)["spec"].template.spec;
      const mounts = containers[0].volumeMounts.map(({ mountPath }: { mountPath: string }) => mountPath);
      return [...volumes.map((volume: { hostPath?: { path: string } }) => volume.hostPath?.path), ...mounts];
    };
    expect(pathsOf().filter((path) => path === "/opt/cni/bin")).toHaveLength(2);
    expect(pathsOf("cni.install=false")).not.toContain("/opt/cni/bin");
    // Where it was taken over, its configuration there is still the agent's to take back.
    expect(pathsOf("cni.install=false")).toContain("/etc/cni/net.d");
  });

  test("the agent runs on every node before anything else, without cluster DNS, one at a time when it is updated", () => {
    const { template, updateStrategy } = ofKind("DaemonSet")["spec"];
    expect(updateStrategy).toEqual({ type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1 } });
    expect(template.spec).toMatchObject({
      hostNetwork: true,
      dnsPolicy: "Default",
      priorityClassName: "system-node-critical",
      tolerations: [{ operator: "Exists" }],
    });
  });

  test("a changed configuration restarts the agents", () => {
    const checksum = (text: string) => /checksum\/config: (\w+)/.exec(text)?.[1];
    expect(checksum(render(...GOOD))).toMatch(/^[0-9a-f]{64}$/);
    expect(checksum(render(...GOOD, "autoDirectNodeRoutes=true"))).not.toBe(checksum(render(...GOOD)));
  });

  test("the API server's host can stand in a ConfigMap, which then is its only place", () => {
    const byReference = ["k8sServiceHost=", "k8sServiceHostRef.name=api", "k8sServiceHostRef.key=host"];
    const config = JSON.parse(ofKind("ConfigMap", ...byReference)["data"]["config.json"]);
    expect(config).not.toHaveProperty("k8sServiceHost");
    const { env } = ofKind("DaemonSet", ...byReference)["spec"].template.spec.containers[0];
    const named = (name: string) => env.find((variable: { name: string }) => variable.name === name);
    const valueFrom = { configMapKeyRef: { name: "api", key: "host" } };
    expect(named("KUBERNETES_SERVICE_HOST")).toEqual({ name: "KUBERNETES_SERVICE_HOST", valueFrom });
    expect(named("K8S_SERVICE_HOST")).toEqual({ name: "K8S_SERVICE_HOST", value: "$(KUBERNETES_SERVICE_HOST)" });
    expect(parseConfig(config, { nodeName: "node-1", apiServerHost: "192.0.2.11" })).toMatchObject({
      apiServer: { host: "192.0.2.11", port: 6443 },
    });
  });

  test("nothing of Prometheus' or Grafana's kinds is rendered unless it is asked for", () => {
    expect(
      allOf()
        .map(({ kind }) => kind)
        .sort(),
    ).toEqual([...["ClusterRole", "ClusterRoleBinding", "ConfigMap", "DaemonSet", "ServiceAccount"]]);
  });

  test("a Prometheus that goes by annotations finds the agents, unless it is not to", () => {
    const annotations = (...settings: string[]) =>
      ofKind("DaemonSet", ...settings)["spec"].template.metadata.annotations;
    expect(annotations()).toMatchObject({ "prometheus.io/scrape": "true", "prometheus.io/port": "10256" });
    expect(Object.keys(annotations("prometheus.enabled=false"))).toEqual(["checksum/config"]);
  });

  test("the ServiceMonitor selects the Service without address, which selects the agents, by the port that they answer on", () => {
    const settings = ["prometheus.serviceMonitor.enabled=true", "prometheus.serviceMonitor.labels.release=kps"];
    const [service, monitor] = [ofKind("Service", ...settings), ofKind("ServiceMonitor", ...settings)];
    const { template } = ofKind("DaemonSet")["spec"];
    expect(service["spec"]).toMatchObject({ clusterIP: "None", ports: [{ name: "metrics", port: 10256 }] });
    expect(template.metadata.labels).toMatchObject(service["spec"].selector);
    expect(template.spec.containers[0].ports).toContainEqual(
      expect.objectContaining({ name: service["spec"].ports[0].targetPort, containerPort: 10256 }),
    );
    expect(monitor["metadata"].labels).toMatchObject({ release: "kps" });
    expect(service["metadata"].labels).toMatchObject(monitor["spec"].selector.matchLabels);
    // The alerts know the agents by this job.
    expect(service["metadata"].labels[monitor["spec"].jobLabel]).toBe("sansproxy");
    expect(monitor["spec"].endpoints[0]).toMatchObject({ port: "metrics", path: "/metrics", interval: "10s" });
    expect(monitor["spec"].namespaceSelector.matchNames).toEqual([service["metadata"].namespace]);
  });

  test("the PrometheusRule carries the alerts, and the ConfigMap for Grafana's sidecar the dashboard, as they are", () => {
    const rule = ofKind("PrometheusRule", "prometheus.rules.enabled=true");
    expect(rule["spec"]).toEqual(parse(file(join(CHART, "files/alerts.yaml"))));
    const settings = ["dashboards.enabled=true", "dashboards.namespace=grafana"];
    const dashboard = allOf(...settings).find(({ metadata }) => metadata.name === "sansproxy-dashboard");
    expect(dashboard?.["metadata"]).toMatchObject({ namespace: "grafana", labels: { grafana_dashboard: "1" } });
    const json = JSON.parse(dashboard?.["data"]["sansproxy.json"]);
    expect(json).toEqual(JSON.parse(file(join(CHART, "files/dashboard.json"))));
  });

  const refused: [setting: string, said: RegExp][] = [
    ["kubeProxyReplacement=false", /kubeProxyReplacement = false: .*set it to true/],
    ["k8sServiceHost=", /k8sServiceHost is empty: set it to the API server's host/],
    ["k8sServiceHost=https://192.0.2.10", /give the host alone/],
    ["k8sServiceHostRef.name=api", /k8sServiceHost and k8sServiceHostRef.name are both set/],
    ["k8sServiceHost=,k8sServiceHostRef.name=api", /k8sServiceHostRef.key is empty/],
    ["ipv4NativeRoutingCIDR=", /ipv4NativeRoutingCIDR is empty: set it to the pods' network/],
    ["bpf.masquerade=false", /bpf.masquerade = false with enableIPv4Masquerade = true/],
    ["bpf.masquerade=false,enableIPv4Masquerade=false", /bpf.masquerade = false with enableIPv6Masquerade = true/],
    ["ipMasqAgent.config.nonMasqueradeCIDRs={10.0.0.1}", /nonMasqueradeCIDRs\/0.*does not match pattern/],
    ["nodePort.addresses={192.168.10.5}", /nodePort\/addresses\/0.*does not match pattern/],
    ["routingMode=tunnel", /routingMode.*must be 'native'/],
    ["ipam.mode=cluster-pool", /ipam\/mode.*must be 'kubernetes'/],
    ["loadBalancer.mode=geneve", /mode.*must be one of 'snat', 'dsr', 'hybrid'/],
    ["loadBalancer.mode=dsr", /loadBalancer.mode = "dsr": needs loadBalancer.algorithm = maglev and autoDirect/],
    ["loadBalancer.algorithm=leastconn", /algorithm.*must be one of 'random', 'maglev'/],
    [
      "prometheus.serviceMonitor.enabled=true,prometheus.enabled=false",
      /prometheus.enabled = false: set prometheus.enabled to true/,
    ],
    [
      "prometheus.serviceMonitor.enabled=true,kubeProxyReplacementHealthzBindAddr=127.0.0.1:10256",
      /reaches no agent at a loopback address; set it to "0.0.0.0:10256"/,
    ],
    ["bpf.masqerade=true", /additional properties 'masqerade' not allowed/],
  ];
  test.each(refused)("%s is refused with the remedy, and nothing is rendered", (setting, said) => {
    const text = render(...GOOD, setting);
    expect(text).toMatch(said);
    expect(text).not.toContain("kind:");
  });
});
