// SPDX-License-Identifier: Apache-2.0
// The agent's answers as a person reads them: lines of text.

import { PROTOCOL_NUMBERS } from "../core/endpoint-selection.ts";
import type { Explanation } from "../core/explanation.ts";
import type { AgentState, ListedService } from "./agent-state.ts";
import { columns } from "./columns.ts";

const onOff = (on: boolean | undefined): string => (on === undefined ? "not known yet" : on ? "on" : "off");
const percent = (used: number, capacity: number): string =>
  capacity === 0 ? "-" : `${((used / capacity) * 100).toFixed(1)} %`;
const protocolName = (protocol: number): string =>
  Object.entries(PROTOCOL_NUMBERS).find(([, number]) => number === protocol)?.[0] ?? String(protocol);

/** IPv6 in brackets; a wildcard as the addresses it stands for. */
export function endpointText(address: string, port: number): string {
  if (address.startsWith("*")) return `node(IPv${address.slice(1)}):${port}`;
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

export function renderStatus(state: AgentState): string[] {
  const { network } = state;
  const range = network && `${network.nodePortRange.first}-${network.nodePortRange.last}`;
  return [
    ...columns([
      ["Node:", state.node],
      [
        "Agent:",
        state.ready && state.reason === "" ? "ready" : `${state.ready ? "degraded" : "not ready"}: ${state.reason}`,
      ],
      ["kube-proxy replacement:", "on"],
      ["Socket LB:", onOff(network?.socketLb)],
      ["Terminate Pod connections:", onOff(state.terminatePodConnections)],
      ["Load balancing:", `${state.loadBalancing.mode}, ${state.loadBalancing.algorithm} where a Service does not say`],
      ["Masquerade:", masqueradeText(network)],
      ["Devices:", network?.devices.join(", ") || "not known yet"],
      ["XDP acceleration:", accelerationText(state.acceleration)],
      ["Node addresses:", network?.nodeAddresses.join(", ") || "not known yet"],
      ["NodePort range:", range ?? "not known yet"],
      ["NodePorts at:", nodePortsText(network)],
      ["Bind protection:", onOff(network?.bindProtection)],
      [
        "Services:",
        `${state.services}, ${state.frontends} frontends, ${state.endpoints} endpoints, ${state.hostPorts} Pods with host ports`,
      ],
      ["Last sync:", state.lastSync ?? "never"],
      ["Pending writes:", String(state.pending)],
      ["Drift repaired:", String(state.drift)],
      ["Problems:", String(state.problems.length)],
    ]),
    ...state.problems.map(({ reason, message }) => `  ${reason}: ${message}`),
    "",
    ...columns([
      ["MAP", "USED", "CAPACITY", "FILL"],
      ...state.maps.map(({ map, used, capacity }) => [map, String(used), String(capacity), percent(used, capacity)]),
    ]),
  ];
}

function nodePortsText(network: AgentState["network"]): string {
  if (network === undefined) return "not known yet";
  const { nodePortAddresses, nodePortCidrs } = network;
  if (nodePortCidrs.length === 0) return "all node addresses";
  return `${nodePortAddresses.join(", ") || "no address of this node"}, by nodePort.addresses ${nodePortCidrs.join(", ")}`;
}

function masqueradeText(network: AgentState["network"]): string {
  if (network === undefined) return "not known yet";
  const families = network.masquerade.map((family) => `IPv${family}`);
  return families.length === 0 ? "off" : `${families.join(" and ")}, from ${network.masqueradeAddresses.join(" and ")}`;
}

function accelerationText({ mode, devices, refused }: AgentState["acceleration"]): string {
  if (mode === "disabled") return "disabled";
  const not = refused.map(({ device, reason }) => `; not on ${device}: ${reason}`).join("");
  return `${mode}, on ${devices.join(", ") || "no device"}${not}`;
}

export function renderServices(services: readonly ListedService[]): string[] {
  const rows = services.flatMap(({ name, problems, frontends }) =>
    frontends.map((frontend) => {
      const { address, port, protocol, scope, isServed } = frontend;
      const backends = isServed ? backendsText(frontend) : `not served: ${problems.join(", ") || "not written yet"}`;
      return [name, protocolName(protocol), endpointText(address, port), scope, backends];
    }),
  );
  return columns([["SERVICE", "PROTOCOL", "FRONTEND", "SCOPE", "BACKENDS"], ...rows]);
}

const backendsText = ({ inside, outside }: ListedService["frontends"][number]): string =>
  inside === outside ? String(inside) : `${inside} inside, ${outside} outside`;

export function renderDrops(counters: AgentState["counters"]): string[] {
  const refusals = Object.entries(counters).filter(([name, count]) => /^drop_|refused|full/.test(name) && count > 0);
  if (refusals.length === 0) return ["Nothing was dropped or refused on this node."];
  const rows = refusals.sort(([, a], [, b]) => b - a).map(([name, count]) => [name, String(count)]);
  return columns([["REASON", "COUNT"], ...rows]);
}

export function renderExplanation(
  asked: string,
  frontends: readonly Explanation[],
  nodePortCidrs: readonly string[],
): string[] {
  const where =
    nodePortCidrs.length === 0 ? "" : `nodes' addresses in ${nodePortCidrs.join(", ")} (nodePort.addresses)`;
  if (frontends.length === 0) {
    const elsewhere = where === "" ? [] : [`NodePorts are served only at ${where}.`];
    return [`${asked} is no frontend on this node: packets to it are left alone.`, ...elsewhere];
  }
  return frontends.flatMap((frontend, index) => [...(index > 0 ? [""] : []), ...explainOne(frontend, where)]);
}

/** `where` NodePorts are served, if not at all addresses of nodes. */
function explainOne(frontend: Explanation, where: string): string[] {
  const { key, kernel, insidePolicy, outsidePolicy } = frontend;
  const split = insidePolicy !== outsidePolicy;
  const mark = (selected: boolean) => (selected ? "in" : "out");
  const verdict = (endpoint: Explanation["endpoints"][number], policy: string) =>
    policy === "local" ? endpoint.local : endpoint.cluster;
  return [
    `${protocolName(key.protocol)} ${endpointText(key.address, key.port)} is port ${frontend.servicePort} of ${frontend.service}`,
    ...columns([
      [
        "  served to",
        frontend.scope === "external" ? "the cluster and packets from outside" : "clients on this node and its Pods",
      ],
      ...(key.address.startsWith("*") ? [["  served at", where || "all nodes' addresses"]] : []),
      ["  endpoints", split ? `${insidePolicy} from inside, ${outsidePolicy} from outside` : insidePolicy],
      [
        "  balancing",
        frontend.dsr ? `${frontend.algorithm}; other nodes' backends answer the client themselves` : frontend.algorithm,
      ],
      ["  without any", frontend.noEndpoint === "drop" ? "dropped from outside, refused inside" : "refused"],
      ["  affinity", frontend.affinitySeconds > 0 ? `client address, ${frontend.affinitySeconds} s` : "none"],
      ["  sources", frontend.sourceRanges === "all" ? "all" : frontend.sourceRanges.join(", ")],
      [
        "  in the kernel",
        kernel ? `${kernel.inside.length} inside, ${kernel.outside.length} outside` : "NO: it is not written",
      ],
    ]),
    ...columns(
      frontend.endpoints.map((endpoint) => {
        const [inside, outside] = [verdict(endpoint, insidePolicy), verdict(endpoint, outsidePolicy)];
        const text = `${mark(inside.selected)}: ${inside.why}`;
        return [
          `  -> ${endpointText(endpoint.backend.address, endpoint.backend.port)}`,
          endpoint.nodeName || "-",
          split ? `inside ${text}; outside ${mark(outside.selected)}: ${outside.why}` : text,
        ];
      }),
    ),
    ...(frontend.endpoints.length === 0 ? ["  no endpoint at all"] : []),
  ];
}
