// SPDX-License-Identifier: Apache-2.0
// Waits until the cluster can be verified: asks again and again until every readiness check passes or the time is up.
import { setTimeout as pause } from "node:timers/promises";
import { CHECK } from "./checks.ts";
import { type Cluster, isRefused } from "./cluster.ts";
import type { VerifiedDatapath } from "./datapath.ts";
import type { Progress } from "./progress.ts";
import { AGENT_NAMESPACE, type ClusterState, DNS_SELECTOR, judgeReadiness } from "./readiness.ts";
import { type Check, describeFailure, WHOLE_CLUSTER } from "./report.ts";

export interface GateOptions {
  readonly expectNodes: readonly string[];
  readonly datapath: VerifiedDatapath;
  /** As `performance.now()` counts. */
  readonly deadline: number;
  readonly pollMs: number;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

export interface GateResult {
  readonly checks: readonly Check[];
  /** Undefined when the API server never answered. */
  readonly state: ClusterState | undefined;
}

const readState = async (cluster: Cluster, datapath: VerifiedDatapath): Promise<ClusterState> => {
  const [nodes, daemonSets, agentPods, dns] = await Promise.all([
    cluster.nodes(),
    cluster.daemonSets(),
    cluster.pods(AGENT_NAMESPACE, datapath.selector),
    cluster.deployments(AGENT_NAMESPACE, DNS_SELECTOR),
  ]);
  const agent = daemonSets.find(
    ({ metadata }) => metadata?.namespace === AGENT_NAMESPACE && metadata.name === datapath.daemonSet,
  );
  return { nodes, agent, agentPods, dns };
};

export const passReadinessGate = async (cluster: Cluster, options: GateOptions): Promise<GateResult> => {
  const started = performance.now();
  let state: ClusterState | undefined;
  for (;;) {
    let checks: readonly Check[];
    let hopeless = false;
    try {
      state = await readState(cluster, options.datapath);
      checks = judgeReadiness(state, options.expectNodes, options.datapath);
    } catch (error) {
      hopeless = isRefused(error);
      const observed = (error as Error).message;
      checks = [{ name: CHECK.nodeReady, node: WHOLE_CLUSTER, passed: false, observed, durationMs: 0 }];
    }
    const durationMs = Math.round(performance.now() - started);
    const unmet = checks.filter((check) => !check.passed);
    if (unmet.length === 0 || hopeless || performance.now() + options.pollMs >= options.deadline) {
      return { checks: checks.map((check) => ({ ...check, durationMs })), state };
    }
    const more = unmet.length > 1 ? ` (and ${unmet.length - 1} more)` : "";
    options.progress(`waiting for ${unmet.slice(0, 1).map(describeFailure).join("")}${more}`);
    await pause(options.pollMs, undefined, { signal: options.signal });
  }
};
