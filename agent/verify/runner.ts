// SPDX-License-Identifier: Apache-2.0
// A whole verification: readiness gate, objects of its own, probes on every node, judgement, and clean-up whatever happened.
import { randomBytes } from "node:crypto";
import type { V1Node, V1Service } from "@kubernetes/client-node";
import { agentEndpoint, agentImage, agentNodePortCidrs, agentPullSecrets } from "./agent-manifest.ts";
import { judgeInStep } from "./agent-status.ts";
import { CHECK, completeChecks, ORIGINS } from "./checks.ts";
import { judgeReplacement } from "./cilium-status.ts";
import { cleanUp, thisProcess } from "./cleanup.ts";
import { type Cluster, ClusterError } from "./cluster.ts";
import { type VerifiedDatapath, verifiedDatapath } from "./datapath.ts";
import { type GateResult, passReadinessGate } from "./gate.ts";
import { formatOwner } from "./leftovers.ts";
import {
  ECHO_PORT,
  echoDaemonSet,
  echoServices,
  namespaceObject,
  probePod,
  type RunIdentity,
  serviceAccountObject,
  targetsConfigMap,
} from "./objects.ts";
import { type Probe, waitForProbes } from "./probe-pods.ts";
import type { Progress } from "./progress.ts";
import { judgeDaemonSets, judgePods } from "./proxy-objects.ts";
import { type ClusterState, nodeNames } from "./readiness.ts";
import { type Check, type Report, summarise, WHOLE_CLUSTER } from "./report.ts";
import type { ProbeTargets } from "./targets.ts";

export interface VerifyOptions {
  readonly expectNodes: readonly string[];
  /** What serves Services; our agent when it is left out. */
  readonly datapath?: VerifiedDatapath;
  /** Undefined: the agent's own image, as its DaemonSet in the cluster names it. */
  readonly image: string | undefined;
  readonly timeoutMs: number;
  readonly progress: Progress;
  /** Aborting ends the run; what it made is removed first. */
  readonly signal: AbortSignal;
  readonly pollMs?: number;
  readonly cleanupTimeoutMs?: number;
}

/** However late the gate opened, the probes get this long to see the Services answer; and never longer than the second. */
const SHORTEST_PROBE_MS = 30_000;
const LONGEST_PROBE_MS = 120_000;
/** For pulling the image, starting the Pods and reading the reports. */
const POD_START_MS = 60_000;
const CLEANUP_MS = 120_000;
const POLL_MS = 1_000;

const isIpv6 = (address: string): boolean => address.includes(":");

/** A node's addresses of the Service's families: NodePorts answer on no others. */
const internalAddresses = (node: V1Node, service: readonly string[]): readonly string[] =>
  (node.status?.addresses ?? [])
    .filter(({ type, address }) => type === "InternalIP" && service.some((ip) => isIpv6(ip) === isIpv6(address)))
    .map(({ address }) => address);

const clusterIps = ({ spec }: V1Service): readonly string[] => spec?.clusterIPs ?? [spec?.clusterIP ?? ""];

const required = async (cluster: Cluster, namespace: string, name: string): Promise<V1Service> => {
  const service = await cluster.service(namespace, name);
  if (!service?.spec?.clusterIP) throw new ClusterError(`Service ${namespace}/${name} has no cluster IP`, undefined);
  return service;
};

const port = (service: V1Service, name: string): number => {
  const found = service.spec?.ports?.find((candidate) => candidate.name === name)?.nodePort;
  if (found === undefined)
    throw new ClusterError(`Service ${service.metadata?.name} has no node port ${name}`, undefined);
  return found;
};

/** Creates the run's backends and Services; gives the addresses that the API server chose for them. */
const createBackends = async (
  cluster: Cluster,
  run: RunIdentity,
  state: ClusterState,
  datapath: VerifiedDatapath,
): Promise<ProbeTargets> => {
  await cluster.createNamespace(namespaceObject(run));
  await cluster.createServiceAccount(serviceAccountObject(run));
  await cluster.createDaemonSet(echoDaemonSet(run));
  const created = await Promise.all(echoServices(run).map((service) => cluster.createService(service)));
  const [clusterIp, nodePort] = created as [V1Service, V1Service];
  const addresses = clusterIps(clusterIp);
  const kubernetes = await required(cluster, "default", "kubernetes");
  const dns = await required(cluster, "kube-system", "kube-dns");
  const own = datapath.reportsState ? state.agent : undefined;
  return {
    clusterIp: { addresses, tcpPort: ECHO_PORT, udpPort: ECHO_PORT },
    nodePort: {
      tcpPort: port(nodePort, "tcp"),
      udpPort: port(nodePort, "udp"),
      cidrs: own === undefined ? [] : agentNodePortCidrs(own),
    },
    nodes: state.nodes.map((node) => ({
      name: node.metadata?.name ?? "",
      addresses: internalAddresses(node, clusterIps(nodePort)),
    })),
    dns: {
      server: dns.spec?.clusterIP ?? "",
      name: `${clusterIp.metadata?.name}.${run.namespace}.svc`,
      addresses,
    },
    kubernetes: { address: kubernetes.spec?.clusterIP ?? "", port: kubernetes.spec?.ports?.[0]?.port ?? 443 },
    agent: own && agentEndpoint(own),
  };
};

const createProbes = async (
  cluster: Cluster,
  run: RunIdentity,
  nodes: readonly string[],
  timeoutMs: number,
): Promise<readonly Probe[]> => {
  const probes: Probe[] = [];
  for (const [index, node] of nodes.entries()) {
    for (const origin of ORIGINS) {
      const pod = probePod(run, node, index, origin, timeoutMs);
      await cluster.createPod(pod);
      probes.push({ pod: pod.metadata?.name ?? "", node, origin });
    }
  }
  return probes;
};

const probeCluster = async (
  cluster: Cluster,
  run: RunIdentity,
  state: ClusterState,
  options: VerifyOptions,
  deadline: number,
): Promise<readonly Check[]> => {
  const nodes = nodeNames(state, options.expectNodes);
  const linux = { ...state, nodes: state.nodes.filter(({ metadata }) => nodes.includes(metadata?.name ?? "")) };
  options.progress(`creating backends and probes on ${nodes.length} nodes in namespace ${run.namespace}`);
  const { datapath = verifiedDatapath("agent") } = options;
  const targets = await createBackends(cluster, run, linux, datapath);
  await cluster.createConfigMap(targetsConfigMap(run, targets));
  const remainingMs = Math.round(deadline - performance.now());
  const probeMs = Math.min(Math.max(remainingMs - POD_START_MS, SHORTEST_PROBE_MS), LONGEST_PROBE_MS);
  options.signal.throwIfAborted();
  const probes = await createProbes(cluster, run, nodes, probeMs);
  const { checks, agentSamples, listed } = await waitForProbes(cluster, {
    namespace: run.namespace,
    probes,
    datapath,
    deadline: performance.now() + probeMs + POD_START_MS,
    pollMs: options.pollMs ?? POLL_MS,
    progress: options.progress,
    signal: options.signal,
  });
  if (!datapath.reportsState) return checks;
  return [...checks, ...nodes.map((node) => judgeInStep(node, agentSamples.get(node) ?? [], listed.get(node) ?? []))];
};

/** What can be judged once the API server answers: kube-proxy's objects always, traffic only through an open gate. */
const inspect = async (
  cluster: Cluster,
  { checks, state }: GateResult & { state: ClusterState },
  options: VerifyOptions,
  run: Omit<RunIdentity, "image" | "pullSecrets">,
  deadline: number,
): Promise<readonly Check[]> => {
  const nodes = nodeNames(state, options.expectNodes);
  const seen = [...checks, judgeDaemonSets(await cluster.daemonSets()), ...judgePods(nodes, await cluster.pods())];
  if (checks.some((check) => !check.passed)) return seen;
  const { datapath = verifiedDatapath("agent") } = options;
  const own = datapath.reportsState ? state.agent : undefined;
  const image = options.image ?? (own === undefined ? undefined : agentImage(own));
  if (image === undefined)
    throw new ClusterError("no DaemonSet of ours names the probes' image; give one with --image", undefined);
  const pullSecrets = own === undefined ? [] : agentPullSecrets(own);
  const { statusContainer } = datapath;
  const replaced = statusContainer === undefined ? [] : await judgeReplacement(cluster, state, nodes, statusContainer);
  const probed = await probeCluster(cluster, { ...run, image, pullSecrets }, state, options, deadline);
  return completeChecks(nodes, [...seen, ...replaced, ...probed], datapath);
};

/** Always gives a report, also of a run that broke off; throws the signal's reason only when it was aborted. */
export const verify = async (cluster: Cluster, options: VerifyOptions): Promise<Report> => {
  const started = performance.now();
  const deadline = started + options.timeoutMs;
  const { expectNodes, datapath = verifiedDatapath("agent"), progress, signal, pollMs = POLL_MS } = options;
  progress(`asking ${cluster.server}`);
  const gate = await passReadinessGate(cluster, { expectNodes, datapath, deadline, pollMs, progress, signal });
  if (gate.state === undefined) return summarise(gate.checks, performance.now() - started);

  const owner = thisProcess();
  const namespace = `sansproxy-verify-${randomBytes(4).toString("hex")}`;
  const expires = new Date(Date.now() + options.timeoutMs + LONGEST_PROBE_MS + 2 * POD_START_MS).toISOString();
  const run = { namespace, owner: formatOwner(owner), expires };
  let checks: readonly Check[];
  try {
    checks = await inspect(cluster, { checks: gate.checks, state: gate.state }, options, run, deadline);
  } catch (error) {
    if (!signal.aborted) progress((error as Error).message);
    const observed = (error as Error).message;
    checks = [...gate.checks, { name: CHECK.carriedOut, node: WHOLE_CLUSTER, passed: false, observed, durationMs: 0 }];
  }
  const timeoutMs = options.cleanupTimeoutMs ?? CLEANUP_MS;
  const cleaned = await cleanUp(cluster, { namespace, owner, timeoutMs, progress });
  if (!cleaned.passed) progress(`cleaning up failed: ${cleaned.observed}`);
  signal.throwIfAborted();
  return summarise([...checks, cleaned], performance.now() - started);
};
