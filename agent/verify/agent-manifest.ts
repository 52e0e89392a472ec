// SPDX-License-Identifier: Apache-2.0
// Reads from the agent's DaemonSet what a verification needs of it: its image, its pull secrets and where it reports its state.
import type { V1Container, V1DaemonSet } from "@kubernetes/client-node";
import type { ProbeTargets } from "./targets.ts";

/** kube-proxy's own health port, which the agent takes over. */
const DEFAULT_PORT = 10256;

const agentContainer = (agent: V1DaemonSet): V1Container | undefined => {
  const containers = agent.spec?.template.spec?.containers ?? [];
  return containers.find((container) => container.readinessProbe?.httpGet) ?? containers[0];
};

export const agentImage = (agent: V1DaemonSet): string | undefined => agentContainer(agent)?.image;

export const agentPullSecrets = (agent: V1DaemonSet): readonly string[] =>
  (agent.spec?.template.spec?.imagePullSecrets ?? []).flatMap(({ name }) => (name === undefined ? [] : [name]));

/** Networks in which NodePorts are served, as the chart says; empty: at all addresses of the nodes. */
export const agentNodePortCidrs = (agent: V1DaemonSet): readonly string[] =>
  (agent.metadata?.annotations?.["sansproxy.io/node-port-addresses"] ?? "").split(" ").filter((cidr) => cidr !== "");

/** Where the kubelet asks for readiness is where the agent answers. */
export const agentEndpoint = (agent: V1DaemonSet): ProbeTargets["agent"] => {
  const container = agentContainer(agent);
  const httpGet = container?.readinessProbe?.httpGet;
  const port = httpGet?.port;
  const number =
    typeof port === "string"
      ? (container?.ports?.find(({ name }) => name === port)?.containerPort ?? Number(port))
      : port;
  const host = httpGet?.host;
  return { port: Number(number) || DEFAULT_PORT, ...(host && host !== "0.0.0.0" ? { host } : {}) };
};
