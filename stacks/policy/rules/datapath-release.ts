// SPDX-License-Identifier: Apache-2.0
// The rules for the Helm release that installs a datapath: API host, value sets, and that it waits for no node.

import { mergeValues } from "../../../components/internal/agent-values.ts";
import { type CiliumSetting, tunedVersion, upstreamRepository } from "../../../components/internal/cilium/modes.ts";
import { valueProblems } from "../../../components/internal/cilium/rules.ts";
import { combinationProblems, type Values } from "../../../components/internal/datapath-rules.ts";
import { at, type Plain, type ResourceRule, type StackResource, shown, unknownYet } from "../rule.ts";

const releaseType = "kubernetes:helm.sh/v3:Release";

/** Which datapath a release installs; `undefined` for any other chart. */
export function datapathOf({ type, props }: StackResource): "cilium" | "agent" | undefined {
  if (type !== releaseType) return undefined;
  const chart = String(props["chart"] ?? "");
  if (props["name"] === "cilium" || /(^|\/)cilium(-[\d.]+\.tgz)?$/.test(chart)) return "cilium";
  return props["name"] === "sansproxy" || /agent[\\/]chart$/.test(chart) ? "agent" : undefined;
}

/** The address by which agents reach the API server while nothing serves Services. */
export const apiHostRule: ResourceRule = {
  name: "api-server-host",
  description: "The datapath knows the API server's own address.",
  remedy: "Give k8sServiceHost and k8sServicePort, or k8sServiceHostRef; Datapath derives them from the cluster.",
  violations(resource) {
    const engine = datapathOf(resource);
    const values = resource.props["values"];
    if (engine === undefined || values === unknownYet) return [];
    const [host, port, reference] = ["k8sServiceHost", "k8sServicePort", "k8sServiceHostRef"].map((key) =>
      at(values, key),
    );
    const referred = at(reference, "name") !== undefined && at(reference, "key") !== undefined;
    if (referred) return [];
    if (host === unknownYet) return [];
    if (host === undefined || host === null || host === "") {
      return ["has no k8sServiceHost: agent and operator would wait for each other for ever"];
    }
    if (host === "auto") return ['has k8sServiceHost "auto", which is another value in every preview'];
    return port === undefined || port === null || port === "" ? ["has k8sServiceHost, and no k8sServicePort"] : [];
  },
};

/** Where Cilium runs, as its values tell it. */
function placeOf(values: Plain): { platform: string; mode: string } {
  if (at(values, "gke", "enabled") === true) return { platform: "gke", mode: "self-managed" };
  if (at(values, "cni", "chainingMode") === "aws-cni") return { platform: "eks", mode: "chaining" };
  if (at(values, "eni", "enabled") === true || at(values, "ipam", "mode") === "eni") {
    return { platform: "eks", mode: values["enableIPv4Masquerade"] === true ? "eni-masquerading" : "eni" };
  }
  const onEks =
    at(values, "k8sServiceHostRef") !== undefined || String(values["k8sServiceHost"]).endsWith(".amazonaws.com");
  if (onEks && at(values, "ipam", "mode") === "cluster-pool") return { platform: "eks", mode: "overlay" };
  return { platform: "bare-metal", mode: values["routingMode"] === "native" ? "native" : "tunnel" };
}

function ciliumSetting(props: Plain, values: Plain): CiliumSetting {
  const { platform, mode } = placeOf(values);
  const version = typeof props["version"] === "string" ? props["version"] : tunedVersion;
  const capabilities = { podCidrPerNode: true, nativeRouting: true, ownsCni: mode === "chaining" };
  const late = { podCidrs: undefined, serviceCidrs: undefined, apiServerHost: undefined, apiServerPort: undefined };
  return {
    cluster: { platform, capabilities, ...late },
    mode,
    version,
    chartSource: upstreamRepository,
    kernel: undefined,
    load: undefined,
  };
}

/** Without what is unknown: rules compare values, and an unknown one is not wrong yet. */
function known(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((item) => item !== unknownYet).map(known);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, item]) => (item === unknownYet ? [] : [[key, known(item)]])),
  );
}

/** What the chart or the agent sets where nothing is said, and what the rules expect to be said. */
const chartDefaults: Values = {
  operator: { replicas: 2 },
  socketLB: { enabled: true },
  ipam: { mode: "cluster-pool" },
  routingMode: "tunnel",
};

const hasUnknown = (value: unknown): boolean =>
  value === unknownYet || (typeof value === "object" && value !== null && Object.values(value).some(hasUnknown));

/** The rules of Datapath, for a release that somebody wrote by hand. */
export const valueSetRule: ResourceRule = {
  name: "possible-values",
  description: "The datapath's values can work together.",
  remedy: "Correct the value that the message names, or let Datapath choose the values.",
  violations(resource) {
    const engine = datapathOf(resource);
    const { props } = resource;
    if (engine === undefined || props["values"] === unknownYet) return [];
    // An unknown host or network is nothing that a combination depends on, and everything else is compared as it is.
    const values = known(props["values"] ?? {}) as Values;
    const problems =
      engine === "cilium"
        ? valueProblems(ciliumSetting(props, values), mergeValues(chartDefaults, values))
        : combinationProblems(values, {
            platform: "bare-metal",
            podCidrs: [],
            capabilities: { podCidrPerNode: true, nativeRouting: true, ownsCni: false },
          }).filter(({ propertyPath }) => !hasUnknown(at(props["values"], ...propertyPath.split("."))));
    // The reasons are sentences, and the pack ends this one.
    return problems.map(
      ({ propertyPath, reason }) => `has a value that cannot be: ${propertyPath} ${reason.replace(/\.$/, "")}`,
    );
  },
};

/** A release that waits for Pods waits for nodes, and these wait for the datapath. */
export const notAwaitedRule: ResourceRule = {
  name: "datapath-not-awaited",
  description: "The datapath's release does not wait for Pods, which have no node yet.",
  remedy: "Set skipAwait: true and leave atomic out; Verification waits for the agents, after the nodes.",
  violations(resource) {
    if (datapathOf(resource) === undefined) return [];
    const { skipAwait, atomic } = resource.props;
    return [
      ...(skipAwait === true || skipAwait === unknownYet
        ? []
        : [`has skipAwait ${shown(skipAwait)} and would wait for Pods before there is a node`]),
      ...(atomic === true ? ["is atomic, and would be taken back when its Pods are late"] : []),
    ];
  },
};
