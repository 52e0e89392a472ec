// SPDX-License-Identifier: Apache-2.0
// Judges whether the cluster is ready to be verified: nodes, the agent's rollout, cluster DNS; and says what is missing where.
import type { V1ContainerStatus, V1DaemonSet, V1Deployment, V1Node, V1Pod } from "@kubernetes/client-node";
import { CHECK } from "./checks.ts";
import { type VerifiedDatapath, verifiedDatapath } from "./datapath.ts";
import { type Check, WHOLE_CLUSTER } from "./report.ts";

export const AGENT_NAMESPACE = "kube-system";
export const DNS_SELECTOR = "k8s-app=kube-dns";

export interface ClusterState {
  readonly nodes: readonly V1Node[];
  /** The datapath's DaemonSet. */
  readonly agent: V1DaemonSet | undefined;
  readonly agentPods: readonly V1Pod[];
  readonly dns: readonly V1Deployment[];
}

type Judgement = Pick<Check, "passed" | "observed">;
const yes = (observed: string): Judgement => ({ passed: true, observed });
const no = (observed: string): Judgement => ({ passed: false, observed });

const isLinux = (node: V1Node): boolean => (node.metadata?.labels?.["kubernetes.io/os"] ?? "linux") === "linux";

/** The nodes to verify: the expected ones, and every other Linux node of the cluster. */
export const nodeNames = (state: ClusterState, expected: readonly string[]): readonly string[] =>
  [...new Set([...expected, ...state.nodes.filter(isLinux).map((node) => node.metadata?.name ?? "")])].sort();

const judgeNode = (node: V1Node | undefined): Judgement => {
  if (node === undefined) return no("no such Node: it has not joined");
  const ready = node.status?.conditions?.find((condition) => condition.type === "Ready");
  if (ready?.status === "True") return yes("Ready");
  return no(ready === undefined ? "has no Ready condition yet" : `not Ready: ${ready.reason}: ${ready.message}`);
};

const describeContainer = ({ name, state, lastState }: V1ContainerStatus): string => {
  const last = lastState?.terminated ?? state?.terminated;
  const ended = last ? `, last ended with code ${last.exitCode}${last.message ? `: ${last.message.trim()}` : ""}` : "";
  if (state?.waiting) {
    const { reason, message } = state.waiting;
    return `container ${name} waits: ${reason ?? "no reason given"}${message ? `: ${message}` : ""}${ended}`;
  }
  return state?.running ? `container ${name} runs but is not ready${ended}` : `container ${name} does not run${ended}`;
};

/** Why a Pod is not Ready, in the words of its status. */
export const describePod = (pod: V1Pod): string => {
  const name = `Pod ${pod.metadata?.name}`;
  const { status } = pod;
  if (status?.phase === "Failed") {
    return `${name} failed: ${[status.reason, status.message].filter(Boolean).join(": ") || "no reason given"}`;
  }
  const container = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])].find(
    (candidate) => !candidate.ready && candidate.state?.terminated?.exitCode !== 0,
  );
  if (container !== undefined) return `${name}: ${describeContainer(container)}`;
  const unmet = status?.conditions?.find((condition) => condition.status !== "True" && condition.message);
  return `${name} is ${status?.phase ?? "unknown"}${unmet ? `: ${unmet.reason}: ${unmet.message}` : ""}`;
};

export const isPodReady = (pod: V1Pod): boolean =>
  pod.metadata?.deletionTimestamp === undefined &&
  (pod.status?.conditions ?? []).some((condition) => condition.type === "Ready" && condition.status === "True");

const judgeAgent = (agent: V1DaemonSet | undefined, pods: readonly V1Pod[], node: string, own: string): Judgement => {
  const name = `${AGENT_NAMESPACE}/${own}`;
  if (agent === undefined) return no(`there is no DaemonSet ${name}: the datapath is not installed`);
  if ((agent.status?.observedGeneration ?? 0) < (agent.metadata?.generation ?? 0)) {
    return no(`DaemonSet ${name} was changed and its rollout has not begun`);
  }
  const here = pods.filter((pod) => pod.spec?.nodeName === node);
  const ready = here.find(isPodReady);
  if (ready !== undefined) return yes(`Pod ${ready.metadata?.name} is Ready`);
  const pod = here.findLast((candidate) => candidate.metadata?.deletionTimestamp === undefined) ?? here[0];
  return no(pod === undefined ? `DaemonSet ${name} has no Pod on this node` : describePod(pod));
};

/** A rolling update replaces one node's Pod after the other: until all are new, the old ones that are Ready do not count. */
const judgeRollout = (agent: V1DaemonSet | undefined): Judgement => {
  const { desiredNumberScheduled = 0, updatedNumberScheduled = 0 } = agent?.status ?? {};
  return agent === undefined || updatedNumberScheduled >= desiredNumberScheduled
    ? yes("")
    : no(
        `DaemonSet is being updated: ${updatedNumberScheduled} of ${desiredNumberScheduled} Pods are of the new version`,
      );
};

const judgeDns = (deployments: readonly V1Deployment[]): Judgement => {
  const first = deployments[0];
  if (first === undefined) return no(`there is no Deployment labelled ${DNS_SELECTOR} in ${AGENT_NAMESPACE}`);
  const isAvailable = (deployment: V1Deployment): boolean =>
    (deployment.status?.conditions ?? []).some(({ type, status }) => type === "Available" && status === "True");
  const available = deployments.find(isAvailable);
  if (available !== undefined) {
    return yes(
      `${available.metadata?.name}: ${available.status?.availableReplicas ?? 0} of ${available.spec?.replicas} available`,
    );
  }
  return no(
    `Deployment ${first.metadata?.name} has ${first.status?.availableReplicas ?? 0} of ${first.spec?.replicas} replicas available`,
  );
};

/** One check per condition and node; the gate is open when all of them passed. */
export const judgeReadiness = (
  state: ClusterState,
  expected: readonly string[],
  { daemonSet }: VerifiedDatapath = verifiedDatapath("agent"),
): readonly Check[] => {
  const nodes = nodeNames(state, expected);
  const check = (name: string, node: string, { passed, observed }: Judgement): Check => ({
    name,
    node,
    passed,
    observed,
    durationMs: 0,
  });
  if (nodes.length === 0) return [check(CHECK.nodeReady, WHOLE_CLUSTER, no("the cluster has no nodes yet"))];
  const rollout = judgeRollout(state.agent);
  return [
    ...nodes.map((name) =>
      check(CHECK.nodeReady, name, judgeNode(state.nodes.find((node) => node.metadata?.name === name))),
    ),
    ...nodes.map((name) => {
      const judged = judgeAgent(state.agent, state.agentPods, name, daemonSet);
      return check(CHECK.agentRolledOut, name, judged.passed && !rollout.passed ? rollout : judged);
    }),
    check(CHECK.dnsAvailable, WHOLE_CLUSTER, judgeDns(state.dns)),
  ];
};
