// SPDX-License-Identifier: Apache-2.0
// Tests that the readiness gate names what is missing and on which node, in the cluster's own words.
import type { V1Node, V1Pod } from "@kubernetes/client-node";
import { describe, expect, it } from "vitest";
import { agentEndpoint, agentImage } from "../../../agent/verify/agent-manifest.ts";
import { type ClusterState, judgeReadiness, nodeNames } from "../../../agent/verify/readiness.ts";
import { agentDaemonSet, dnsDeployment, readyNode, readyPod } from "./fake-cluster.ts";

const state = (change: Partial<ClusterState> = {}): ClusterState => ({
  nodes: [readyNode("a", "10.0.0.1"), readyNode("b", "10.0.0.2")],
  agent: agentDaemonSet(2),
  agentPods: [readyPod("sansproxy-a", "a"), readyPod("sansproxy-b", "b")],
  dns: [dnsDeployment(true)],
  ...change,
});

const failures = (change: Partial<ClusterState>, expected: readonly string[] = ["a", "b"]): string[] =>
  judgeReadiness(state(change), expected)
    .filter((check) => !check.passed)
    .map(({ name, node, observed }) => `${name}|${node}|${observed}`);

describe("readiness gate", () => {
  it("opens when nodes, agent and DNS are ready", () => {
    expect(failures({})).toEqual([]);
  });

  it("names a node that has not joined", () => {
    expect(failures({}, ["a", "b", "w-3"])).toEqual([
      "node Ready|w-3|no such Node: it has not joined",
      "agent rolled out|w-3|DaemonSet kube-system/sansproxy has no Pod on this node",
    ]);
  });

  it("does not open for a cluster without nodes", () => {
    expect(failures({ nodes: [] }, [])).toEqual(["node Ready|*|the cluster has no nodes yet"]);
  });

  it("gives the kubelet's reason for a node that is not Ready", () => {
    const node: V1Node = {
      metadata: { name: "b" },
      status: {
        conditions: [
          { type: "Ready", status: "False", reason: "KubeletNotReady", message: "cni plugin not initialized" },
        ],
      },
    };
    expect(failures({ nodes: [readyNode("a", "10.0.0.1"), node] })).toEqual([
      "node Ready|b|not Ready: KubeletNotReady: cni plugin not initialized",
    ]);
  });

  it("covers nodes that nobody expected, but no Windows nodes", () => {
    const windows: V1Node = { metadata: { name: "win", labels: { "kubernetes.io/os": "windows" } } };
    expect(nodeNames(state({ nodes: [readyNode("z", "10.0.0.9"), windows] }), ["a"])).toEqual(["a", "z"]);
  });

  it("says that the datapath is not installed", () => {
    expect(failures({ agent: undefined, agentPods: [] })).toContain(
      "agent rolled out|a|there is no DaemonSet kube-system/sansproxy: the datapath is not installed",
    );
  });

  it("gives the waiting reason and the last message of an agent that does not start", () => {
    const broken: V1Pod = {
      metadata: { name: "sansproxy-b" },
      spec: { nodeName: "b", containers: [] },
      status: {
        phase: "Running",
        containerStatuses: [
          {
            name: "agent",
            ready: false,
            image: "",
            imageID: "",
            restartCount: 3,
            state: { waiting: { reason: "CrashLoopBackOff", message: "back-off 40s restarting failed container" } },
            lastState: { terminated: { exitCode: 1, message: "bpf: map services: EPERM\n" } },
          },
        ],
      },
    };
    expect(failures({ agentPods: [readyPod("sansproxy-a", "a"), broken] })).toEqual([
      "agent rolled out|b|Pod sansproxy-b: container agent waits: CrashLoopBackOff: back-off 40s restarting failed container, last ended with code 1: bpf: map services: EPERM",
    ]);
  });

  it("waits for the new version although the old Pods are ready", () => {
    const updating = agentDaemonSet(2);
    updating.status = {
      currentNumberScheduled: 2,
      desiredNumberScheduled: 2,
      numberMisscheduled: 0,
      numberReady: 2,
      observedGeneration: 1,
      updatedNumberScheduled: 1,
    };
    expect(failures({ agent: updating })).toEqual([
      "agent rolled out|a|DaemonSet is being updated: 1 of 2 Pods are of the new version",
      "agent rolled out|b|DaemonSet is being updated: 1 of 2 Pods are of the new version",
    ]);
  });

  it("names cluster DNS that is missing or not available", () => {
    expect(failures({ dns: [] })[0]).toContain("there is no Deployment labelled k8s-app=kube-dns");
    expect(failures({ dns: [dnsDeployment(false)] })[0]).toContain("Deployment coredns has 0 of 2 replicas available");
  });
});

describe("the agent's manifest", () => {
  it("tells the image of the probes and where the agent answers", () => {
    const agent = agentDaemonSet(1);
    expect(agentImage(agent)).toBe("ghcr.io/sansproxy/agent:0.1.0");
    expect(agentEndpoint(agent)).toEqual({ port: 10256 });
    const container = agent.spec?.template.spec?.containers[0];
    if (container === undefined) throw new Error("no container");
    container.readinessProbe = { httpGet: { port: "health", host: "127.0.0.1" } };
    container.ports = [{ name: "health", containerPort: 20256 }];
    expect(agentEndpoint(agent)).toEqual({ port: 20256, host: "127.0.0.1" });
  });
});
