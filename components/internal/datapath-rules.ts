// SPDX-License-Identifier: Apache-2.0
// The rules for the options of Datapath: combinations that cannot work, each with the property and the remedy.

import type { KubernetesClusterCapabilities } from "../kubernetes-cluster.ts";
import { type Cidr, overlaps, parseCidr } from "./cidr.ts";
import type { InputProblem } from "./input-errors.ts";
import { listeningPort } from "./listening-address.ts";

/** A tree of values, all known. */
export type Values = { readonly [key: string]: unknown };

/** What the rules have to know of the cluster. */
export interface DatapathCluster {
  readonly platform: string;
  readonly podCidrs: readonly string[];
  readonly capabilities: KubernetesClusterCapabilities;
}

const problem = (propertyPath: string, reason: string): InputProblem[] => [{ propertyPath, reason }];

/** The value at a dotted path, an item of a list in brackets, or `undefined`. */
export function valueAt(values: Values, path: string): unknown {
  return path.match(/[^.[\]]+/g)?.reduce<unknown>((value, key) => (value as Values | undefined)?.[key], values);
}

export function engineRule(engine: string): InputProblem[] {
  if (engine === "agent" || engine === "cilium") return [];
  return problem("engine", `"${engine}" is not an engine; use "agent", this package's own datapath, or "cilium".`);
}

/** What Cilium's installation takes beside its values means nothing to the agent's. */
export function agentSettingsRule(settings: Values): InputProblem[] {
  return Object.entries(settings).flatMap(([name, value]) =>
    value === undefined
      ? []
      : problem(name, 'is for the engine "cilium", and the engine is "agent"; leave it out, or change the engine.'),
  );
}

function kubeProxyReplacementRule(values: Values): InputProblem[] {
  if (values["kubeProxyReplacement"] === true) return [];
  return problem(
    "kubeProxyReplacement",
    `is ${JSON.stringify(values["kubeProxyReplacement"])}, and without it nobody would serve Services, for there is no kube-proxy; set it to true or leave it out.`,
  );
}

function socketLbRule(values: Values): InputProblem[] {
  if (valueAt(values, "socketLB.enabled") === true) return [];
  return problem(
    "socketLB.enabled",
    "is false, and the agent serves ClusterIPs at the socket only, so none would answer; set it to true or leave it out.",
  );
}

function masqueradeRule(values: Values): InputProblem[] {
  const bpf = valueAt(values, "bpf.masquerade") === true;
  const enabled = ["enableIPv4Masquerade", "enableIPv6Masquerade"].find((key) => values[key] === true);
  if (bpf === (enabled !== undefined)) return [];
  if (bpf) {
    return problem(
      "bpf.masquerade",
      "is true while enableIPv4Masquerade and enableIPv6Masquerade are false, which turns masquerading off; set enableIPv4Masquerade to true, or bpf.masquerade to false as well.",
    );
  }
  return problem(
    "bpf.masquerade",
    `is false while ${enabled} is true, and the agent masquerades by BPF only; set bpf.masquerade to true, or ${enabled} to false as well.`,
  );
}

function routingModeRule(values: Values): InputProblem[] {
  const mode = values["routingMode"];
  if (mode === "native") return [];
  const consequence =
    values["autoDirectNodeRoutes"] === true ? ", and autoDirectNodeRoutes needs native routing besides" : "";
  return problem(
    "routingMode",
    `is ${JSON.stringify(mode)}, and the agent has no tunnel${consequence}; set it to "native" or leave it out.`,
  );
}

function directRoutesRule(values: Values, cluster: DatapathCluster): InputProblem[] {
  if (values["autoDirectNodeRoutes"] !== true) return [];
  if (values["routingMode"] !== "native") {
    return problem(
      "autoDirectNodeRoutes",
      `is true while routingMode is ${JSON.stringify(values["routingMode"])}; set routingMode to "native", or autoDirectNodeRoutes to false.`,
    );
  }
  if (cluster.capabilities.nativeRouting) return [];
  return problem(
    "autoDirectNodeRoutes",
    "is true, and this platform's nodes do not share a network segment, so direct routes would lead nowhere; set it to false.",
  );
}

function ipamRule(values: Values, cluster: DatapathCluster): InputProblem[] {
  const mode = valueAt(values, "ipam.mode");
  if (mode !== "kubernetes") {
    return problem(
      "ipam.mode",
      `is ${JSON.stringify(mode)}, and the agent takes pod addresses from each Node's podCIDR only; set it to "kubernetes" or leave it out.`,
    );
  }
  if (cluster.capabilities.podCidrPerNode || valueAt(values, "cni.install") !== true) return [];
  return problem(
    "ipam.mode",
    'is "kubernetes", and this platform gives its Nodes no podCIDR; set cni.install to false and leave addresses to the platform.',
  );
}

function nativeRoutingCidrRule(values: Values, cluster: DatapathCluster, family: 4 | 6): InputProblem[] {
  const property = `ipv${family}NativeRoutingCIDR`;
  const text = values[property];
  // The agent asks for the IPv4 network only.
  if (family === 6 && (text === undefined || text === "")) return [];
  const network = typeof text === "string" ? parseCidr(text) : undefined;
  if (network === undefined || network.family !== family) {
    return problem(
      property,
      `is ${JSON.stringify(text)}, which is not an IPv${family} network; write the network in which pods reach each other unchanged, or leave it out for the pod CIDR.`,
    );
  }
  const outside = cluster.podCidrs.find((podCidr) => {
    const pods = parseCidr(podCidr);
    return pods?.family === family && !(overlaps(pods, network) && network.prefixLength <= pods.prefixLength);
  });
  if (outside === undefined) return [];
  return problem(
    property,
    `is "${text}", which does not contain the pod CIDR "${outside}", so traffic between pods would be masqueraded; widen it, or leave it out.`,
  );
}

export function nodePortRangeRule(values: Values): InputProblem[] {
  const range = valueAt(values, "nodePort.range");
  const match = typeof range === "string" ? /^(\d{1,5}),(\d{1,5})$/.exec(range) : null;
  const [first, last] = [Number(match?.[1] ?? 0), Number(match?.[2] ?? 0)];
  if (match !== null && first >= 1 && first <= last && last <= 65535) return [];
  return problem(
    "nodePort.range",
    `is ${JSON.stringify(range)}; write the first and the last port with a comma between them, such as "30000,32767".`,
  );
}

/** Each item of the list at `path` a network; and what `unfit` says of those that are. */
function networksRule(values: Values, path: string, unfit: (network: Cidr) => string | undefined): InputProblem[] {
  const list = valueAt(values, path);
  if (!Array.isArray(list)) return [];
  return list.flatMap((text: unknown, index) => {
    const network = typeof text === "string" ? parseCidr(text) : undefined;
    const reason =
      network === undefined
        ? 'which is not a network in CIDR form; write its first address and the length of its prefix, such as "192.168.10.0/24", or "192.168.10.5/32" for one address.'
        : unfit(network);
    return reason === undefined ? [] : problem(`${path}[${index}]`, `is ${JSON.stringify(text)}, ${reason}`);
  });
}

/** Of a family that `podCidrs` have, where these are given. */
export function nodePortAddressesRule(values: Values, podCidrs?: readonly string[]): InputProblem[] {
  const families = podCidrs?.map((podCidr) => parseCidr(podCidr)?.family);
  return networksRule(values, "nodePort.addresses", ({ family }) =>
    families === undefined || families.includes(family)
      ? undefined
      : `and the cluster has no IPv${family}, so no NodePort would be served there; leave it out.`,
  );
}

export function nonMasqueradeRule(values: Values): InputProblem[] {
  return networksRule(values, "ipMasqAgent.config.nonMasqueradeCIDRs", () => undefined);
}

function healthAddressRule(values: Values): InputProblem[] {
  const address = values["kubeProxyReplacementHealthzBindAddr"];
  if (listeningPort(address) !== undefined) return [];
  return problem(
    "kubeProxyReplacementHealthzBindAddr",
    `is ${JSON.stringify(address)}; write an address and a port, such as "0.0.0.0:10256".`,
  );
}

export function metricsAddressRule(values: Values): InputProblem[] {
  const address = values["metricsBindAddress"];
  if (address === undefined || address === "" || listeningPort(address) !== undefined) return [];
  return problem(
    "metricsBindAddress",
    `is ${JSON.stringify(address)}; write an address and a port, such as "127.0.0.1:10249", or "" for no such server.`,
  );
}

/** A ServiceMonitor that could never lead to an answer. */
function serviceMonitorRule(values: Values): InputProblem[] {
  if (valueAt(values, "prometheus.serviceMonitor.enabled") !== true) return [];
  if (valueAt(values, "prometheus.enabled") === false) {
    return problem(
      "prometheus.enabled",
      "is false while prometheus.serviceMonitor.enabled is true; set it to true or leave it out.",
    );
  }
  const address = values["kubeProxyReplacementHealthzBindAddr"];
  if (typeof address !== "string" || !/^(127\.|\[::1\])/.test(address)) return [];
  return problem(
    "kubeProxyReplacementHealthzBindAddr",
    `is "${address}", where Prometheus reaches no agent, while prometheus.serviceMonitor.enabled is true; use "0.0.0.0:10256", or leave the ServiceMonitor out.`,
  );
}

function imageTagRule(values: Values): InputProblem[] {
  const tag = valueAt(values, "image.tag");
  if (tag !== "latest") return [];
  return problem(
    "image.tag",
    `is ${JSON.stringify(tag)}, so that nodes could run different agents; name one version, or leave it out for this package's own.`,
  );
}

function cniRule(values: Values, cluster: DatapathCluster): InputProblem[] {
  if (!cluster.capabilities.ownsCni || valueAt(values, "cni.install") !== true) return [];
  return problem(
    "cni.install",
    "is true, and this platform brings its own CNI plugin, which the agent's would displace; set it to false or leave it out.",
  );
}

function directReturnRule(values: Values): InputProblem[] {
  const mode = valueAt(values, "loadBalancer.mode") ?? "snat";
  if (mode === "snat") return [];
  const path = "loadBalancer.mode";
  const told = `is ${JSON.stringify(mode)}`;
  if (valueAt(values, "loadBalancer.algorithm") !== "maglev") {
    return problem(
      path,
      `${told}, and a backend's node would not find the same backend without Maglev's tables; set loadBalancer.algorithm to "maglev", or the mode to "snat".`,
    );
  }
  if (values["autoDirectNodeRoutes"] === true) return [];
  return problem(
    path,
    `${told} while autoDirectNodeRoutes is ${JSON.stringify(values["autoDirectNodeRoutes"])}, and packets can only be handed to nodes on the same network segment; set autoDirectNodeRoutes to true where they are, or the mode to "snat".`,
  );
}

/** All rules about how the values go together. */
export function combinationProblems(values: Values, cluster: DatapathCluster): InputProblem[] {
  return [
    ...kubeProxyReplacementRule(values),
    ...socketLbRule(values),
    ...masqueradeRule(values),
    ...routingModeRule(values),
    ...directRoutesRule(values, cluster),
    ...directReturnRule(values),
    ...ipamRule(values, cluster),
    ...nativeRoutingCidrRule(values, cluster, 4),
    ...nativeRoutingCidrRule(values, cluster, 6),
    ...nodePortRangeRule(values),
    ...nodePortAddressesRule(values, cluster.podCidrs),
    ...nonMasqueradeRule(values),
    ...healthAddressRule(values),
    ...metricsAddressRule(values),
    ...serviceMonitorRule(values),
    ...imageTagRule(values),
    ...cniRule(values, cluster),
  ];
}
