// SPDX-License-Identifier: Apache-2.0
// Which checks a verification of given nodes consists of: the list that a report must cover in full.
import { type VerifiedDatapath, verifiedDatapath } from "./datapath.ts";
import { type Check, WHOLE_CLUSTER } from "./report.ts";

/** Where a probe asks from: a pod in the pod network, or a process in the node's own network. */
export type Origin = "pod" | "host";
export const ORIGINS: readonly Origin[] = ["pod", "host"];

export const CHECK = {
  nodeReady: "node Ready",
  agentRolledOut: "agent rolled out",
  dnsAvailable: "cluster DNS available",
  noProxyDaemonSet: "no kube-proxy DaemonSet",
  noProxyPod: "no kube-proxy Pod",
  noProxyProcess: "no kube-proxy process",
  noProxyChains: "no kube-proxy chains",
  agentReady: "agent ready",
  agentInStep: "agent in step",
  /** Only of a datapath that says so itself. */
  proxyReplaced: "kube-proxy replaced",
  backend: "test backend running",
  cleanedUp: "cleaned up",
  /** Only in a report of a run that broke off: its `observed` says why. */
  carriedOut: "verification carried out",
} as const;

export const TRAFFIC = {
  clusterIpTcp: "ClusterIP TCP",
  clusterIpUdp: "ClusterIP UDP",
  clusterIpUdpUnconnected: "ClusterIP UDP unconnected",
  nodePortTcp: "NodePort TCP",
  nodePortUdp: "NodePort UDP",
  dns: "DNS",
  kubernetesService: "kubernetes Service",
} as const;

export type TrafficCheck = (typeof TRAFFIC)[keyof typeof TRAFFIC];

export const trafficCheckName = (check: TrafficCheck, origin: Origin): string => `${check} from ${origin}`;

const ours = verifiedDatapath("agent");

/** The names of the checks that one probe reports for its node. */
export const probeCheckNames = (origin: Origin, { reportsState }: VerifiedDatapath = ours): readonly string[] => [
  ...(origin === "host" ? [CHECK.noProxyProcess, CHECK.noProxyChains] : []),
  ...(origin === "host" && reportsState ? [CHECK.agentReady] : []),
  ...Object.values(TRAFFIC).map((check) => trafficCheckName(check, origin)),
];

const clusterChecks: readonly string[] = [CHECK.dnsAvailable, CHECK.noProxyDaemonSet];
const nodeChecks = (datapath: VerifiedDatapath): readonly string[] => [
  CHECK.nodeReady,
  CHECK.agentRolledOut,
  ...(datapath.statusContainer === undefined ? [] : [CHECK.proxyReplaced]),
  CHECK.noProxyPod,
  CHECK.backend,
  ...probeCheckNames("host", datapath),
  ...(datapath.reportsState ? [CHECK.agentInStep] : []),
  ...probeCheckNames("pod", datapath),
];

/** Every check, by name and node, without which a verification of these nodes is not complete. */
export const expectedChecks = (
  nodes: readonly string[],
  datapath: VerifiedDatapath = ours,
): readonly Pick<Check, "name" | "node">[] => [
  ...clusterChecks.map((name) => ({ name, node: WHOLE_CLUSTER })),
  ...nodeChecks(datapath).flatMap((name) => nodes.map((node) => ({ name, node }))),
];

/** The checks in the order of the list, and a failure for each that nobody carried out. */
export const completeChecks = (
  nodes: readonly string[],
  checks: readonly Check[],
  datapath: VerifiedDatapath = ours,
): readonly Check[] => {
  const key = (check: Pick<Check, "name" | "node">): string => JSON.stringify([check.name, check.node]);
  const expected = expectedChecks(nodes, datapath);
  const known = new Set(expected.map(key));
  const found = Map.groupBy(checks, key);
  return [
    ...expected.flatMap(
      (wanted): readonly Check[] =>
        found.get(key(wanted)) ?? [{ ...wanted, passed: false, observed: "was not carried out", durationMs: 0 }],
    ),
    ...checks.filter((check) => !known.has(key(check))),
  ];
};
