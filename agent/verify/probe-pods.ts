// SPDX-License-Identifier: Apache-2.0
// Waits for the probe Pods of a run to end and turns each one's log, or the reason why there is none, into checks.
import { setTimeout as pause } from "node:timers/promises";
import type { V1Pod } from "@kubernetes/client-node";
import type { AgentStatus, ObjectCounts } from "./agent-status.ts";
import { CHECK, type Origin, probeCheckNames } from "./checks.ts";
import type { Cluster } from "./cluster.ts";
import type { VerifiedDatapath } from "./datapath.ts";
import { countObjects, type ProxiedObjects } from "./object-counts.ts";
import { ECHO, ROLE_LABEL } from "./objects.ts";
import { findProbeReport } from "./probe-report.ts";
import type { Progress } from "./progress.ts";
import { describePod, isPodReady } from "./readiness.ts";
import type { Check } from "./report.ts";

export interface Probe {
  readonly pod: string;
  readonly node: string;
  readonly origin: Origin;
}

export interface WaitOptions {
  readonly namespace: string;
  readonly probes: readonly Probe[];
  readonly datapath: VerifiedDatapath;
  /** As `performance.now()` counts. */
  readonly deadline: number;
  readonly pollMs: number;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

export interface ProbeResults {
  readonly checks: readonly Check[];
  readonly agentSamples: ReadonlyMap<string, readonly AgentStatus[]>;
  /** For each node, what the API server listed just before and just after its host probe ended. */
  readonly listed: ReadonlyMap<string, readonly ObjectCounts[]>;
}

/** A backend can answer for so long before its Pod is reported Ready. */
const REPORTING_LAG_MS = 5_000;

const isEcho = ({ metadata }: V1Pod): boolean => metadata?.labels?.[ROLE_LABEL] === ECHO;

const hasEnded = (pod: V1Pod | undefined): boolean =>
  pod?.status?.phase === "Succeeded" || pod?.status?.phase === "Failed";

/** A probe that did not report fails each of its checks, with the reason. */
const failProbe = ({ node, origin }: Probe, reason: string, datapath?: VerifiedDatapath): readonly Check[] =>
  probeCheckNames(origin, datapath).map((name) => ({
    name,
    node,
    passed: false,
    observed: `the ${origin} probe did not report: ${reason}`,
    durationMs: 0,
  }));

const describeMissingProbe = (pod: V1Pod | undefined, log: string): string => {
  if (pod === undefined) return "its Pod was deleted by someone else";
  const ended = pod.status?.containerStatuses?.[0]?.state?.terminated;
  if (ended === undefined) return describePod(pod);
  const lastLine = (log.trim() || ended.message?.trim() || "").split("\n").at(-1);
  return `it ended with code ${ended.exitCode}${lastLine ? `: ${lastLine}` : ""}`;
};

/** One check per node: a backend that does not run explains why nothing answers. */
const judgeBackends = (nodes: readonly string[], pods: readonly V1Pod[]): readonly Check[] =>
  nodes.map((node) => {
    const pod = pods.find(({ spec }) => spec?.nodeName === node);
    const passed = pod !== undefined && isPodReady(pod);
    const name = pod?.metadata?.name;
    const reason = pod === undefined ? "there is no backend Pod on this node" : describePod(pod);
    return { name: CHECK.backend, node, passed, observed: passed ? `Pod ${name} is Ready` : reason, durationMs: 0 };
  });

/**
 * A probe asks its agent a while before its Pod is seen to have ended, and the cluster may change in between: what was
 * listed meanwhile counts too. All of it is younger than the run's own Services, so an agent that stands still misses them.
 */
const LISTINGS_KEPT = 15;

export const waitForProbes = async (cluster: Cluster, options: WaitOptions): Promise<ProbeResults> => {
  const { namespace, probes, progress } = options;
  const listed = new Map<string, readonly ObjectCounts[]>();
  const nodes = [...new Set(probes.map(({ node }) => node))];
  let probedAt: number | undefined;
  let recent: readonly ProxiedObjects[] = [];
  let pods: readonly V1Pod[] = [];
  let failure: string | undefined;
  const find = ({ pod }: Probe): V1Pod | undefined => pods.find(({ metadata }) => metadata?.name === pod);
  for (;;) {
    try {
      pods = await cluster.pods(namespace);
      recent = [...recent, await cluster.proxiedObjects()].slice(-LISTINGS_KEPT);
      for (const probe of probes) {
        if (probe.origin !== "host" || listed.has(probe.node) || !hasEnded(find(probe))) continue;
        const onNode = await cluster.podsOnNode(probe.node);
        listed.set(
          probe.node,
          recent.map((objects) => countObjects(objects, probe.node, onNode)),
        );
      }
      failure = undefined;
    } catch (error) {
      failure = (error as Error).message;
    }
    const running = probes.filter((probe) => !hasEnded(find(probe)));
    // A Pod that was seen and is gone will not come back.
    if (failure === undefined && running.every((probe) => find(probe) === undefined)) {
      probedAt ??= performance.now();
      const backendsRun = judgeBackends(nodes, pods.filter(isEcho)).every(({ passed }) => passed);
      if (backendsRun || performance.now() - probedAt > REPORTING_LAG_MS) break;
    }
    if (performance.now() + options.pollMs >= options.deadline) break;
    const first = running.map(find).find((pod) => pod?.status?.phase === "Pending");
    const detail = failure ?? (first === undefined ? "the checks run" : describePod(first));
    progress(`waiting for ${running.length} of ${probes.length} probes: ${detail}`);
    await pause(options.pollMs, undefined, { signal: options.signal });
  }
  const checks: Check[] = [...judgeBackends(nodes, pods.filter(isEcho))];
  const agentSamples = new Map<string, readonly AgentStatus[]>();
  for (const probe of probes) {
    const pod = find(probe);
    let log = "";
    let unreadable: string | undefined;
    if (hasEnded(pod)) {
      log = await cluster.podLog(namespace, probe.pod).catch((error: Error) => {
        unreadable = error.message;
        return "";
      });
    }
    const report = findProbeReport(log);
    const missing = unreadable ?? failure ?? describeMissingProbe(pod, log);
    checks.push(...(report?.checks ?? failProbe(probe, missing, options.datapath)));
    if (report !== undefined && probe.origin === "host") agentSamples.set(probe.node, report.agent);
  }
  return { checks, agentSamples, listed };
};
