// SPDX-License-Identifier: Apache-2.0
// Carries out every check of one probe on one node, all at the same time, each for as long as the deadline allows.
import { nodePortAddresses } from "../../core/node-port-addresses.ts";
import { CHECK, type Origin, TRAFFIC, trafficCheckName } from "../checks.ts";
import type { ProbeReport } from "../probe-report.ts";
import type { Check } from "../report.ts";
import type { ProbeTargets } from "../targets.ts";
import { checkAgent, sampleAgent } from "./agent-endpoint.ts";
import { checkApiService } from "./api-service.ts";
import { type Ask, askTcp, askUdpConnected, askUdpUnconnected, type Target } from "./echo-client.ts";
import { checkChains, checkProcesses, type Run } from "./machine.ts";
import { checkDns } from "./name-service.ts";
import { type Attempt, type DeadlineMs, retryUntil } from "./retry.ts";
import { surveyAddresses, surveyBackends } from "./survey.ts";

export interface ProbeOptions {
  readonly origin: Origin;
  readonly node: string;
  readonly targets: ProbeTargets;
  readonly timeoutMs: number;
  /** Where the pod's CA and token are. */
  readonly serviceAccountFolder: string;
  /** The host's /proc. */
  readonly proc: string;
  readonly run: Run;
}

const timed = async (name: string, node: string, work: Promise<Attempt>): Promise<Check> => {
  const started = performance.now();
  const { passed, observed } = await work.catch(
    (error: unknown): Attempt => ({ passed: false, observed: `could not be checked: ${(error as Error).message}` }),
  );
  return { name, node, passed, observed, durationMs: Math.round(performance.now() - started) };
};

/** Passes when all of them pass; what was seen of each is told up to the first that does not. */
const inTurn = async (attempts: readonly (() => Promise<Attempt>)[]): Promise<Attempt> => {
  const seen: string[] = [];
  for (const attempt of attempts) {
    const { passed, observed } = await attempt();
    seen.push(observed);
    if (!passed) return { passed, observed: seen.join("; then ") };
  }
  return attempts.length > 0
    ? { passed: true, observed: seen.join("; then ") }
    : { passed: false, observed: "the Service has no address" };
};

const trafficChecks = (options: ProbeOptions, deadline: DeadlineMs): readonly Promise<Check>[] => {
  const { origin, node, targets } = options;
  const { clusterIp, nodePort, nodes } = targets;
  const backends = nodes.map(({ name }) => name);
  const everyFamily = (ask: Ask, port: number): Promise<Attempt> =>
    inTurn(clusterIp.addresses.map((address) => () => surveyBackends(ask, { address, port }, backends)));
  const { cidrs = [] } = nodePort;
  const serving = nodes.flatMap(({ name, addresses }) =>
    nodePortAddresses(addresses, cidrs).map((address) => ({ node: name, address })),
  );
  const everyNode = async (ask: Ask, port: number): Promise<Attempt> =>
    serving.length === 0 && cidrs.length > 0
      ? { passed: true, observed: `not asked: no node's InternalIP is in nodePort.addresses ${cidrs.join(", ")}` }
      : surveyAddresses(
          ask,
          serving.map((target) => ({ ...target, port })),
        );
  const check = (name: (typeof TRAFFIC)[keyof typeof TRAFFIC], attempt: () => Promise<Attempt>): Promise<Check> =>
    timed(trafficCheckName(name, origin), node, retryUntil(deadline, attempt));
  return [
    check(TRAFFIC.clusterIpTcp, () => everyFamily(askTcp, clusterIp.tcpPort)),
    check(TRAFFIC.clusterIpUdp, () => everyFamily(askUdpConnected, clusterIp.udpPort)),
    check(TRAFFIC.clusterIpUdpUnconnected, () => everyFamily(askUdpUnconnected, clusterIp.udpPort)),
    check(TRAFFIC.nodePortTcp, () => everyNode(askTcp, nodePort.tcpPort)),
    check(TRAFFIC.nodePortUdp, () => everyNode(askUdpConnected, nodePort.udpPort)),
    check(TRAFFIC.dns, () => checkDns(origin, targets.dns)),
    check(TRAFFIC.kubernetesService, () => checkApiService(targets.kubernetes, options.serviceAccountFolder)),
  ];
};

/** The agent of this node: on its fixed address, or on the node's first; undefined when another datapath serves it. */
const agentTarget = ({ node, targets }: ProbeOptions): Target | undefined => {
  if (targets.agent === undefined) return undefined;
  const address = targets.agent.host ?? targets.nodes.find(({ name }) => name === node)?.addresses[0];
  if (address === undefined) throw new Error(`the targets name no address of node ${node}`);
  return { address, port: targets.agent.port };
};

export const runProbe = async (options: ProbeOptions): Promise<ProbeReport> => {
  const deadline = performance.now() + options.timeoutMs;
  const traffic = trafficChecks(options, deadline);
  if (options.origin === "pod") return { checks: await Promise.all(traffic), agent: [] };
  const target = agentTarget(options);
  const machine = [
    timed(CHECK.noProxyProcess, options.node, checkProcesses(options.proc)),
    timed(CHECK.noProxyChains, options.node, checkChains(options.proc, options.run)),
    ...(target === undefined
      ? []
      : [
          timed(
            CHECK.agentReady,
            options.node,
            retryUntil(deadline, () => checkAgent(target)),
          ),
        ]),
  ];
  const checks = await Promise.all([...machine, ...traffic]);
  return { checks, agent: target === undefined ? [] : await sampleAgent(target) };
};
