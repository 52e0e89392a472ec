// SPDX-License-Identifier: Apache-2.0
// Tests that a kube-proxy is recognised as a process, a Pod and a DaemonSet, whatever its name, and nothing else is.
import type { V1DaemonSet, V1Pod } from "@kubernetes/client-node";
import { describe, expect, it } from "vitest";
import { describeProcesses, isKubeProxy } from "../../../agent/verify/process-list.ts";
import { judgeDaemonSets, judgePods } from "../../../agent/verify/proxy-objects.ts";

describe("processes", () => {
  it.each([
    ["by its name", { pid: 9, comm: "kube-proxy", argv: ["/usr/local/bin/kube-proxy", "--config=x"] }],
    ["without a command line", { pid: 9, comm: "kube-proxy", argv: [] }],
    ["started under another comm", { pid: 9, comm: "ld.so", argv: ["/opt/kube-proxy"] }],
    ["inside a combined binary", { pid: 9, comm: "hyperkube", argv: ["/hyperkube", "kube-proxy"] }],
  ])("are kube-proxy %s", (_, process) => {
    expect(isKubeProxy(process)).toBe(true);
  });

  it.each([
    ["a log reader", { pid: 9, comm: "kubectl", argv: ["kubectl", "logs", "kube-proxy-x1"] }],
    ["an editor", { pid: 9, comm: "vi", argv: ["vi", "/etc/kube-proxy"] }],
    ["this verification", { pid: 9, comm: "node", argv: ["node", "cli.ts", "probe"] }],
  ])("are not kube-proxy: %s", (_, process) => {
    expect(isKubeProxy(process)).toBe(false);
  });

  it("are named with their number", () => {
    expect(describeProcesses([{ pid: 812, comm: "kube-proxy", argv: ["/bin/kube-proxy", "--v=2", "-x"] }])).toBe(
      "kube-proxy runs: process 812 (/bin/kube-proxy --v=2)",
    );
  });
});

const pod = (name: string, node: string | undefined, image: string): V1Pod => ({
  metadata: { name, namespace: "kube-system" },
  spec: { containers: [{ name: "c", image }], ...(node ? { nodeName: node } : {}) },
  status: { phase: "Running" },
});

describe("Pods", () => {
  it("pass on every node when none is kube-proxy", () => {
    const checks = judgePods(["a", "b"], [pod("coredns-1", "a", "registry.k8s.io/coredns/coredns:v1.14.2")]);
    expect(checks.map(({ node, passed }) => [node, passed])).toEqual([
      ["a", true],
      ["b", true],
    ]);
  });

  it("fail on the node where a kube-proxy Pod is, also when only its image tells", () => {
    const checks = judgePods(
      ["a", "b"],
      [pod("svc-proxy-7", "b", "k8s.example:5000/eks/kube-proxy:v1.36.3@sha256:00")],
    );
    expect(checks.find(({ node }) => node === "a")?.passed).toBe(true);
    expect(checks.find(({ node }) => node === "b")).toMatchObject({
      passed: false,
      observed: "Pod kube-system/svc-proxy-7 (Running)",
    });
  });

  it("fail the cluster when a kube-proxy Pod waits for a node", () => {
    expect(judgePods(["a"], [pod("kube-proxy-abc", undefined, "x")]).at(-1)).toMatchObject({
      node: "*",
      passed: false,
    });
  });
});

describe("DaemonSets", () => {
  const set = (name: string, image: string): V1DaemonSet => ({
    metadata: { name, namespace: "kube-system" },
    spec: { selector: {}, template: { spec: { containers: [{ name: "c", image }] } } },
  });

  it("pass without kube-proxy, and fail with it although it runs nowhere", () => {
    expect(judgeDaemonSets([set("sansproxy", "ghcr.io/sansproxy/agent:0.1.0")]).passed).toBe(true);
    const check = judgeDaemonSets([set("kube-proxy", "x")]);
    expect(check).toMatchObject({ node: "*", passed: false });
    expect(check.observed).toContain("DaemonSet kube-system/kube-proxy exists");
  });
});
