// SPDX-License-Identifier: Apache-2.0
// Tests a whole run against an API server in memory: what it judges, what it says, and that it leaves nothing behind.
import type { V1Namespace, V1Pod } from "@kubernetes/client-node";
import { describe, expect, it } from "vitest";
import { thisProcess } from "../../../agent/verify/cleanup.ts";
import { ClusterError } from "../../../agent/verify/cluster.ts";
import { verifiedDatapath } from "../../../agent/verify/datapath.ts";
import { formatOwner, isLeftover } from "../../../agent/verify/leftovers.ts";
import { namespaceObject } from "../../../agent/verify/objects.ts";
import type { Report } from "../../../agent/verify/report.ts";
import { type VerifyOptions, verify } from "../../../agent/verify/runner.ts";
import { type ProbeTargets, parseTargets } from "../../../agent/verify/targets.ts";
import {
  agentDaemonSet,
  createFakeCluster,
  type FakeCluster,
  passingReport,
  proxied,
  readyNode,
  readyPod,
} from "./fake-cluster.ts";

const options = (change: Partial<VerifyOptions> = {}): VerifyOptions => ({
  ...{ expectNodes: ["a", "b"], image: undefined, timeoutMs: 200, pollMs: 5, cleanupTimeoutMs: 60_000 },
  ...{ progress: () => {}, signal: new AbortController().signal },
  ...change,
});

const failures = (report: Report): string[] =>
  report.checks.filter((check) => !check.passed).map(({ name, node, observed }) => `${name}|${node}|${observed}`);

/** The report of one probe with one check changed. */
const failing = (name: string, node: string, observed: string) => (pod: V1Pod) => {
  const report = passingReport(pod);
  const checks = report.checks.map((check) =>
    check.name === name && check.node === node ? { ...check, passed: false, observed } : check,
  );
  return { ...report, checks };
};

const expectClean = (cluster: FakeCluster): void => {
  expect(cluster.state.namespaces).toEqual([]);
  expect(cluster.created.every((name) => name.startsWith("sansproxy-verify-"))).toBe(true);
};

describe("verification", () => {
  it("passes when every check on every node passed, and removes its namespace", async () => {
    const cluster = createFakeCluster();
    const report = await verify(cluster, options());
    expect(failures(report)).toEqual([]);
    expect(report.passed).toBe(true);
    expect(cluster.created).toHaveLength(1);
    expectClean(cluster);
  });

  it.each([
    ["all of the nodes", undefined, []],
    ["those in the networks that the agent's DaemonSet names", "10.0.0.0/24 fd00::/8", ["10.0.0.0/24", "fd00::/8"]],
  ])("has NodePorts asked at these addresses: %s", async (_what, annotation, cidrs) => {
    const cluster = createFakeCluster();
    const agent = agentDaemonSet(2);
    const annotations = annotation === undefined ? {} : { "sansproxy.io/node-port-addresses": annotation };
    cluster.state.daemonSets = [{ ...agent, metadata: { ...agent.metadata, annotations } }];
    const told: ProbeTargets[] = [];
    cluster.createConfigMap = async ({ data }) => {
      told.push(parseTargets(Object.values(data ?? {})[0] ?? "", "the ConfigMap"));
    };
    expect((await verify(cluster, options())).passed).toBe(true);
    expect(told.map(({ nodePort }) => nodePort)).toEqual([{ tcpPort: 30_777, udpPort: 30_777, cidrs }]);
  });

  it.each([
    ["no kube-proxy process", "b", "kube-proxy runs: process 812 (/usr/local/bin/kube-proxy --config=x)"],
    ["no kube-proxy chains", "a", "1 chains of kube-proxy are left: KUBE-SERVICES in table nat (iptables-legacy-save)"],
    ["agent ready", "b", "http://10.0.0.2:10256/readyz says not ready: 0 Services"],
    ["ClusterIP TCP from pod", "a", "no backend answered"],
    ["DNS from host", "b", "echo.x.svc.cluster.local does not resolve"],
  ])("fails with the check, the node and what was seen: %s", async (name, node, observed) => {
    const cluster = createFakeCluster();
    cluster.report = failing(name, node, observed);
    const report = await verify(cluster, options());
    expect(report.passed).toBe(false);
    expect(failures(report)).toEqual([`${name}|${node}|${observed}`]);
    expectClean(cluster);
  });

  it.each([
    ["True", true],
    ["Disabled", false],
  ])("of Cilium asks its own status on each node, which has to be True: %s", async (mode, passed) => {
    const cluster = createFakeCluster();
    cluster.state.daemonSets = [{ ...agentDaemonSet(2), metadata: { name: "cilium", namespace: "kube-system" } }];
    cluster.state.pods = ["a", "b"].map((node) => readyPod(`cilium-${node}`, node, { "k8s-app": "cilium" }));
    const asked: string[] = [];
    cluster.command = (...call) => {
      asked.push(call.flat().join(" "));
      return JSON.stringify({ "kube-proxy-replacement": { mode } });
    };
    cluster.report = (pod) => {
      const report = passingReport(pod);
      return { checks: report.checks.filter(({ name }) => name !== "agent ready"), agent: [] };
    };
    const report = await verify(cluster, options({ datapath: verifiedDatapath("cilium"), image: "probe:1" }));
    expect(asked.sort()).toEqual(
      ["a", "b"].map((node) => `cilium-${node} cilium-agent cilium-dbg status --output=json`),
    );
    expect(report.passed).toBe(passed);
    expect(failures(report)).toEqual(
      passed ? [] : ["a", "b"].map((node) => `kube-proxy replaced|${node}|KubeProxyReplacement: ${mode}`),
    );
    expectClean(cluster);
  });

  it("of another datapath waits for its DaemonSet, and needs an image for the probes", async () => {
    const cluster = createFakeCluster();
    const other = options({ datapath: verifiedDatapath("dataplane-v2") });
    expect(failures(await verify(cluster, other))[0]).toBe(
      "agent rolled out|a|there is no DaemonSet kube-system/anetd: the datapath is not installed",
    );
    cluster.state.daemonSets = [{ ...agentDaemonSet(2), metadata: { name: "anetd", namespace: "kube-system" } }];
    cluster.state.pods = ["a", "b"].map((node) => readyPod(`anetd-${node}`, node, { "k8s-app": "cilium" }));
    expect(failures(await verify(cluster, other)).at(-1)).toContain("give one with --image");
    cluster.report = (pod) => {
      const report = passingReport(pod);
      return { checks: report.checks.filter(({ name }) => name !== "agent ready"), agent: [] };
    };
    expect(failures(await verify(cluster, { ...other, image: "probe:1" }))).toEqual([]);
    expectClean(cluster);
  });

  it("names a node that is missing, and creates nothing", async () => {
    const cluster = createFakeCluster();
    const report = await verify(cluster, options({ expectNodes: ["a", "b", "w-3"] }));
    expect(failures(report)[0]).toBe("node Ready|w-3|no such Node: it has not joined");
    expect(cluster.created).toEqual([]);
  });

  it("waits for a node that joins in time", async () => {
    const cluster = createFakeCluster();
    const progress = (message: string): void => {
      if (message.includes("node w-3")) cluster.state.nodes.push(readyNode("w-3", "10.0.0.3"));
      if (message.includes("agent rolled out"))
        cluster.state.pods.push({ ...cluster.state.pods[0], spec: { nodeName: "w-3", containers: [] } });
    };
    const report = await verify(cluster, options({ expectNodes: ["w-3"], progress, timeoutMs: 60_000 }));
    expect(failures(report)).toEqual([]);
  });

  it("reports a kube-proxy DaemonSet and Pod also when the gate stays shut", async () => {
    const cluster = createFakeCluster();
    cluster.state.deployments = [];
    cluster.state.daemonSets.push({ metadata: { name: "kube-proxy", namespace: "kube-system" } });
    cluster.state.pods.push({
      metadata: { name: "kube-proxy-x", namespace: "kube-system" },
      spec: { nodeName: "b", containers: [] },
    });
    const report = await verify(cluster, options());
    expect(failures(report).map((line) => line.split("|").slice(0, 2).join("|"))).toEqual([
      "cluster DNS available|*",
      "no kube-proxy DaemonSet|*",
      "no kube-proxy Pod|b",
    ]);
  });

  it("fails every check of a probe that could not report, with the reason", async () => {
    const cluster = createFakeCluster();
    cluster.run = (pod) =>
      pod.metadata?.name === "probe-pod-1"
        ? { ...pod, status: { phase: "Failed", reason: "OutOfcpu", message: "node has no room" } }
        : { ...pod, status: { phase: "Succeeded" } };
    const { podLog } = cluster;
    cluster.podLog = async (namespace, name) => (name === "probe-pod-1" ? "" : podLog(namespace, name));
    const lines = failures(await verify(cluster, options()));
    expect(lines).toHaveLength(7);
    expect(lines[0]).toBe(
      "ClusterIP TCP from pod|b|the pod probe did not report: Pod probe-pod-1 failed: OutOfcpu: node has no room",
    );
    expectClean(cluster);
  });

  it("says which backend does not run", async () => {
    const cluster = createFakeCluster();
    const { createDaemonSet } = cluster;
    cluster.createDaemonSet = async (body) => {
      await createDaemonSet(body);
      cluster.state.pods = cluster.state.pods.filter(({ metadata }) => metadata?.name !== "echo-b");
    };
    expect(failures(await verify(cluster, options()))).toEqual([
      "test backend running|b|there is no backend Pod on this node",
    ]);
  });

  it("fails when the agent and the API server disagree", async () => {
    const cluster = createFakeCluster();
    cluster.proxiedObjects = async () => proxied(5);
    expect(failures(await verify(cluster, options()))[0]).toBe(
      "agent in step|a|the agent has 4 Services and 8 endpoints, the API server lists 5 Services and 10 endpoints",
    );
  });

  it("takes what was listed while the probes ran for the state that the agent was asked in", async () => {
    const cluster = createFakeCluster();
    const { pods, run } = cluster;
    let listings = 0;
    cluster.proxiedObjects = async () => proxied(++listings === 1 ? 4 : 5);
    cluster.run = (pod) => ({ ...pod, status: { phase: "Running" } });
    cluster.pods = async (...args) => {
      if (listings === 3) {
        cluster.run = run;
        const isProbe = (pod: V1Pod) => pod.metadata?.name?.startsWith("probe") === true;
        cluster.state.pods = cluster.state.pods.map((pod) => (isProbe(pod) ? run(pod) : pod));
      }
      return await pods(...args);
    };
    expect(failures(await verify(cluster, options()))).toEqual([]);
  });

  it("cleans up and says why when something cannot be created", async () => {
    const cluster = createFakeCluster();
    cluster.createService = async () => {
      throw new ClusterError("could not create Service echo: https://fake:6443 answered 422: no free cluster IP", 422);
    };
    const report = await verify(cluster, options());
    expect(failures(report)).toEqual([
      "verification carried out|*|could not create Service echo: https://fake:6443 answered 422: no free cluster IP",
    ]);
    expect(cluster.created).toHaveLength(1);
    expectClean(cluster);
  });

  it("cleans up when it is interrupted, then throws the reason", async () => {
    const cluster = createFakeCluster();
    cluster.run = (pod) => ({ ...pod, status: { phase: "Pending" } });
    const abort = new AbortController();
    const progress = (message: string): void => {
      if (message.startsWith("waiting for 4 of 4 probes")) abort.abort(new Error("interrupted by SIGINT"));
    };
    await expect(verify(cluster, options({ progress, signal: abort.signal }))).rejects.toThrow("interrupted by SIGINT");
    expect(cluster.created).toHaveLength(1);
    expectClean(cluster);
  });

  it("fails when its namespace cannot be removed, and says how to do it", async () => {
    const cluster = createFakeCluster();
    cluster.deleteNamespace = async () => {};
    const report = await verify(cluster, options({ cleanupTimeoutMs: 50 }));
    expect(failures(report)).toHaveLength(1);
    expect(failures(report)[0]).toMatch(
      /^cleaned up\|\*\|not done within 0 s: namespace sansproxy-verify-\w+ is still being deleted; remove it with: kubectl/,
    );
  });

  it("says why when the API server never answers", async () => {
    const cluster = createFakeCluster();
    cluster.nodes = async () => {
      throw new ClusterError(
        "could not list nodes: https://fake:6443 cannot be reached: connect ECONNREFUSED",
        undefined,
      );
    };
    expect(failures(await verify(cluster, options()))).toEqual([
      "node Ready|*|could not list nodes: https://fake:6443 cannot be reached: connect ECONNREFUSED",
    ]);
  });

  it("does not wait when the credentials are refused", async () => {
    const cluster = createFakeCluster();
    let calls = 0;
    cluster.nodes = async () => {
      calls += 1;
      throw new ClusterError("could not list nodes: https://fake:6443 answered 401: Unauthorized", 401);
    };
    await verify(cluster, options({ timeoutMs: 60_000 }));
    expect(calls).toBe(1);
  });
});

describe("leftovers", () => {
  const self = { machine: "box", pid: 100 };
  const made = (owner: string, expires: string): V1Namespace =>
    namespaceObject({ namespace: "sansproxy-verify-old", owner, expires, image: "x", pullSecrets: [] });
  const now = new Date("2026-11-23T09:00:00Z");
  const later = "2026-11-23T09:05:00Z";
  const judge = (namespace: V1Namespace, alive: boolean): boolean => isLeftover(namespace, self, now, () => alive);

  it("are namespaces whose time is over, and those of processes of this machine that are gone", () => {
    expect(judge(made("elsewhere/5", "2026-11-23T08:59:59Z"), true)).toBe(true);
    expect(judge(made("box/5", later), false)).toBe(true);
    expect(judge({ metadata: { name: "x" } }, true)).toBe(true);
  });

  it("are not the namespaces of runs that may still go on", () => {
    expect(judge(made("box/5", later), true)).toBe(false);
    expect(judge(made("elsewhere/5", later), false)).toBe(false);
  });

  it("are removed by the next run, also when that one fails at the gate; a running neighbour's are not", async () => {
    const cluster = createFakeCluster();
    const leftover = made("elsewhere/5", "2020-01-01T00:00:00Z");
    const neighbour = made(
      formatOwner({ machine: thisProcess().machine, pid: process.ppid }),
      new Date(Date.now() + 60_000).toISOString(),
    );
    cluster.state.namespaces = [
      leftover,
      { ...neighbour, metadata: { ...neighbour.metadata, name: "sansproxy-verify-busy" } },
    ];
    cluster.state.deployments = [];
    await verify(cluster, options());
    expect(cluster.state.namespaces.map(({ metadata }) => metadata?.name)).toEqual(["sansproxy-verify-busy"]);
  });
});
