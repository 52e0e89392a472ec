// SPDX-License-Identifier: Apache-2.0
// Asks Cilium on each node whether it does kube-proxy's work, by its own status.
import { CHECK } from "./checks.ts";
import type { Cluster } from "./cluster.ts";
import { AGENT_NAMESPACE, type ClusterState, isPodReady } from "./readiness.ts";
import type { Check } from "./report.ts";

const COMMAND = ["cilium-dbg", "status", "--output=json"] as const;

/** The mode that `cilium-dbg status` gives, such as `True`; throws a sentence when there is none. */
export const parseReplacementMode = (text: string): string => {
  let status: unknown;
  try {
    status = JSON.parse(text);
  } catch {
    throw new Error(`${COMMAND.join(" ")} gave no JSON: ${JSON.stringify(text.slice(0, 80))}`);
  }
  const replacement = (status as Record<string, { mode?: unknown } | undefined> | null)?.["kube-proxy-replacement"];
  if (typeof replacement?.mode !== "string") throw new Error(`${COMMAND.join(" ")} has no kube-proxy-replacement`);
  return replacement.mode;
};

const judgeNode = async (cluster: Cluster, state: ClusterState, node: string, container: string): Promise<Check> => {
  const started = performance.now();
  const check = (passed: boolean, observed: string): Check => {
    const durationMs = Math.round(performance.now() - started);
    return { name: CHECK.proxyReplaced, node, passed, observed, durationMs };
  };
  const pod = state.agentPods.find((candidate) => candidate.spec?.nodeName === node && isPodReady(candidate));
  if (pod === undefined) return check(false, "no Pod of the datapath is Ready here");
  try {
    const name = pod.metadata?.name ?? "";
    const mode = parseReplacementMode(await cluster.runInPod(AGENT_NAMESPACE, name, container, COMMAND));
    return check(mode === "True", `KubeProxyReplacement: ${mode}`);
  } catch (error) {
    return check(false, (error as Error).message);
  }
};

/** One check per node; all at once, since each only waits. */
export const judgeReplacement = (
  cluster: Cluster,
  state: ClusterState,
  nodes: readonly string[],
  container: string,
): Promise<readonly Check[]> => Promise.all(nodes.map((node) => judgeNode(cluster, state, node, container)));
