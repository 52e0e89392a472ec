// SPDX-License-Identifier: Apache-2.0
// The rules for Cilium's values about routing, masquerading and pod addresses, on each platform.

import { overlaps, parseCidr } from "../cidr.ts";
import { type Values, valueAt } from "../datapath-rules.ts";
import type { InputProblem } from "../input-errors.ts";
import { type CiliumSetting, isCloud } from "./modes.ts";

const problem = (propertyPath: string, reason: string): InputProblem[] => [{ propertyPath, reason }];
const text = JSON.stringify;

const masquerades = (values: Values): boolean => {
  const value = values["enableIPv4Masquerade"];
  return value === true || (value !== false && valueAt(values, "ipam.mode") !== "eni");
};

const chaining = (values: Values): string | undefined => {
  const mode = valueAt(values, "cni.chainingMode");
  return typeof mode === "string" && mode !== "" && mode !== "none" ? mode : undefined;
};

export function bpfMasqueradeRule(values: Values): InputProblem[] {
  if (valueAt(values, "bpf.masquerade") !== true || masquerades(values) || chaining(values) !== undefined) return [];
  return problem(
    "bpf.masquerade",
    "is true while IPv4 masquerading is off, and the agent refuses to start so; set enableIPv4Masquerade to true, or bpf.masquerade to false.",
  );
}

export function masqueradeInterfacesRule(values: Values): InputProblem[] {
  const interfaces = values["egressMasqueradeInterfaces"];
  if (interfaces === undefined || interfaces === null || interfaces === "") return [];
  if (valueAt(values, "bpf.masquerade") !== true) return [];
  return problem(
    "egressMasqueradeInterfaces",
    `is ${text(interfaces)} with bpf.masquerade, and the agent refuses to start so; leave it out, and name the devices in devices where they are not found.`,
  );
}

export function chainingExclusiveRule(values: Values): InputProblem[] {
  if (chaining(values) === undefined || valueAt(values, "cni.exclusive") === false) return [];
  return problem(
    "cni.exclusive",
    `is not false while Cilium is chained to ${chaining(values)}, whose configuration it would put out of the way; set it to false or leave it out.`,
  );
}

export function chainingMasqueradeRule(values: Values): InputProblem[] {
  if (chaining(values) === undefined) return [];
  const found = ["enableIPv4Masquerade", "bpf.masquerade"].find((path) => valueAt(values, path) === true);
  if (found === undefined && values["enableIPv4Masquerade"] === false) return [];
  return problem(
    found ?? "enableIPv4Masquerade",
    `is not false while Cilium is chained to ${chaining(values)}, which masquerades itself; set it to false or leave it out.`,
  );
}

export function chainingModeRule(values: Values, { mode }: CiliumSetting): InputProblem[] {
  const chained = chaining(values);
  if (mode === "chaining" && chained !== "aws-cni") {
    return problem(
      "cni.chainingMode",
      `is ${text(chained ?? null)} in mode "chaining"; set it to "aws-cni" or leave it out.`,
    );
  }
  if (mode === "chaining" || chained === undefined) return [];
  return problem(
    "cni.chainingMode",
    `is ${text(chained)} in mode ${text(mode)}, whose values are for Cilium alone; leave it out, or choose mode "chaining" on EKS.`,
  );
}

export function routingModeRule(values: Values): InputProblem[] {
  if (values["routingMode"] === "native" || values["routingMode"] === "tunnel") return [];
  return problem("routingMode", `is ${text(values["routingMode"])}; use "native" or "tunnel".`);
}

export function cloudRoutingRule(values: Values, { mode }: CiliumSetting): InputProblem[] {
  if (values["routingMode"] !== "tunnel") return [];
  if (valueAt(values, "eni.enabled") !== true && valueAt(values, "gke.enabled") !== true && mode !== "chaining")
    return [];
  return problem(
    "routingMode",
    `is "tunnel" in mode ${text(mode)}, where pods have addresses of the cloud's own network; leave it out, or on EKS choose mode "overlay".`,
  );
}

export function tunnelProtocolRule(values: Values): InputProblem[] {
  const protocol = values["tunnelProtocol"];
  if (protocol === undefined || protocol === null || ["", "vxlan", "geneve"].includes(String(protocol))) return [];
  return problem("tunnelProtocol", `is ${text(protocol)}; use "vxlan" or "geneve".`);
}

export function nativeCidrRule(values: Values, { cluster }: CiliumSetting): InputProblem[] {
  if (values["routingMode"] !== "native" || !masquerades(values) || chaining(values) !== undefined) return [];
  const value = values["ipv4NativeRoutingCIDR"];
  const absent = value === undefined || value === null || value === "";
  const elsewhere =
    valueAt(values, "ipam.mode") === "eni" ||
    valueAt(values, "ipMasqAgent.enabled") === true ||
    values["nativeRoutingCIDRFromClusterPool"] === true;
  if (absent && (elsewhere || cluster.podCidrs === undefined)) return [];
  const network = typeof value === "string" ? parseCidr(value) : undefined;
  if (network === undefined || network.family !== 4) {
    return problem(
      "ipv4NativeRoutingCIDR",
      `is ${text(value ?? null)}, and native routing has to know in which IPv4 network pods keep their addresses; write it in CIDR notation, such as "10.244.0.0/16".`,
    );
  }
  const outside = (cluster.podCidrs ?? []).find((podCidr) => {
    const pods = parseCidr(podCidr);
    return pods?.family === 4 && !(overlaps(pods, network) && network.prefixLength <= pods.prefixLength);
  });
  if (outside === undefined) return [];
  return problem(
    "ipv4NativeRoutingCIDR",
    `is ${text(value)}, which does not contain the pod CIDR "${outside}", so traffic between pods would be masqueraded; widen it, or leave it out.`,
  );
}

export function directRoutesRule(values: Values, { cluster }: CiliumSetting): InputProblem[] {
  if (values["autoDirectNodeRoutes"] !== true && values["autoDirectNodeRoutes"] !== "true") return [];
  if (values["routingMode"] !== "native") {
    return problem(
      "autoDirectNodeRoutes",
      `is true while routingMode is ${text(values["routingMode"])}, and the agent refuses to start so; set routingMode to "native", or autoDirectNodeRoutes to false.`,
    );
  }
  if (cluster.capabilities.nativeRouting && !isCloud(cluster)) return [];
  return problem(
    "autoDirectNodeRoutes",
    "is true, and this platform's nodes do not share a network segment, so direct routes would lead nowhere; set it to false, or choose a mode with a tunnel.",
  );
}

export function ipamRule(values: Values, { cluster, mode }: CiliumSetting): InputProblem[] {
  const ipam = valueAt(values, "ipam.mode");
  const wanted: Readonly<Record<string, readonly unknown[]>> = {
    eni: ["eni"],
    "eni-masquerading": ["eni"],
    overlay: ["cluster-pool", "multi-pool"],
    "self-managed": ["kubernetes"],
    native: ["kubernetes", "cluster-pool", "multi-pool"],
    tunnel: ["kubernetes", "cluster-pool", "multi-pool"],
  };
  const allowed = wanted[mode];
  if (allowed !== undefined && !allowed.includes(ipam)) {
    return problem(
      "ipam.mode",
      `is ${text(ipam)} in mode ${text(mode)}, which takes ${allowed.map((item) => text(item)).join(", ")}; leave it out, or choose another mode.`,
    );
  }
  if (ipam !== "kubernetes" || cluster.capabilities.podCidrPerNode) return [];
  return problem(
    "ipam.mode",
    'is "kubernetes", and this platform gives its Nodes no podCIDR; set it to "cluster-pool" with a network of its own.',
  );
}

export function eniRule(values: Values, { cluster, mode }: CiliumSetting): InputProblem[] {
  const enabled = valueAt(values, "eni.enabled") === true;
  if (enabled && cluster.platform !== "eks") {
    return problem("eni.enabled", `is for AWS, and the platform is ${text(cluster.platform)}; leave it out.`);
  }
  if (enabled === mode.startsWith("eni")) return [];
  return problem(
    "eni.enabled",
    `is ${enabled} in mode ${text(mode)}, and addresses from AWS' interfaces go together with the modes "eni" and "eni-masquerading"; leave it out, or choose another mode.`,
  );
}

export function eniIpv6Rule(values: Values): InputProblem[] {
  if (valueAt(values, "eni.enabled") !== true || valueAt(values, "ipv6.enabled") !== true) return [];
  return problem(
    "ipv6.enabled",
    'is true with addresses from AWS\' network interfaces, which Cilium serves for IPv4 only; leave it out, or choose mode "overlay".',
  );
}

export function podPoolRule(values: Values, { cluster, mode }: CiliumSetting): InputProblem[] {
  if (valueAt(values, "ipam.mode") !== "cluster-pool" || mode === "chaining") return [];
  const path = "ipam.operator.clusterPoolIPv4PodCIDRList";
  const value = valueAt(values, path);
  const pools = typeof value === "string" ? value.split(/\s+/) : Array.isArray(value) ? value.map(String) : [];
  if (pools.length === 0) {
    if (cluster.podCidrs === undefined) return [];
    return problem(
      path,
      'is missing, and the chart\'s own 10.0.0.0/8 overlaps most networks; give the pods a network of their own, such as ["100.64.0.0/16"].',
    );
  }
  for (const pool of pools) {
    const network = parseCidr(pool);
    if (network === undefined || network.family !== 4) {
      return problem(path, `has ${text(pool)}, which is not an IPv4 network; write it as "100.64.0.0/16".`);
    }
    const clash = (cluster.serviceCidrs ?? []).find((other) => {
      const services = parseCidr(other);
      return services !== undefined && overlaps(services, network);
    });
    if (clash !== undefined) {
      return problem(
        path,
        `has "${pool}", which overlaps the Service CIDR "${clash}"; choose networks that share no address.`,
      );
    }
  }
  return [];
}

export function noConntrackRule(values: Values, { cluster }: CiliumSetting): InputProblem[] {
  const path = "installNoConntrackIptablesRules";
  if (values[path] !== true) return [];
  if (isCloud(cluster)) {
    return problem(
      path,
      "is true, and the agent refuses it in a managed or chained cluster; set it to false or leave it out.",
    );
  }
  if (values["routingMode"] !== "native") {
    return problem(
      path,
      'is true while pods\' packets go through a tunnel; set it to false, or routingMode to "native".',
    );
  }
  if (valueAt(values, "bpf.masquerade") === true || !masquerades(values)) return [];
  return problem(
    path,
    "is true while netfilter masquerades, which needs the tracking; set bpf.masquerade to true, or this to false.",
  );
}

export function gkeRule(values: Values, { cluster }: CiliumSetting): InputProblem[] {
  if (cluster.platform !== "gke") return [];
  if (valueAt(values, "gke.enabled") !== true) {
    return problem("gke.enabled", "is not true on GKE, where pods' addresses are the network's own; leave it out.");
  }
  if (valueAt(values, "cni.binPath") === "/home/kubernetes/bin") return [];
  return problem(
    "cni.binPath",
    `is ${text(valueAt(values, "cni.binPath") ?? null)}, and GKE's nodes look for plugins in /home/kubernetes/bin, the rest being read-only; leave it out.`,
  );
}
