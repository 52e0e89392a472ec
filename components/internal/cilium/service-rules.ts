// SPDX-License-Identifier: Apache-2.0
// The rules for Cilium's values about serving Services: replacement of kube-proxy, socket, DSR, Maglev, XDP, health.

import { type Values, valueAt } from "../datapath-rules.ts";
import type { InputProblem } from "../input-errors.ts";
import { listeningPort } from "../listening-address.ts";
import { type CiliumSetting, isCloud } from "./modes.ts";
import { tableSizes } from "./sizing.ts";

const problem = (propertyPath: string, reason: string): InputProblem[] => [{ propertyPath, reason }];
const text = JSON.stringify;

export function replacementRule(values: Values): InputProblem[] {
  const value = values["kubeProxyReplacement"];
  if (value === true || value === "true") return [];
  return problem(
    "kubeProxyReplacement",
    `is ${text(value)}, and without it nobody would serve Services, for there is no kube-proxy ("strict" and "partial" are of older charts); set it to true or leave it out.`,
  );
}

export function socketRule(values: Values): InputProblem[] {
  if (valueAt(values, "socketLB.enabled") === true) return [];
  return problem(
    "socketLB.enabled",
    "is false, and the agent turns it on all the same when it replaces kube-proxy, so the value would say what is not so; leave it out, or limit it with socketLB.hostNamespaceOnly.",
  );
}

/** The chart then limits the socket to the host without a word: every pod's connection is translated packet by packet. */
export function gatewayApiRule(values: Values): InputProblem[] {
  if (valueAt(values, "gatewayAPI.enabled") !== true) return [];
  if (valueAt(values, "socketLB.hostNamespaceOnly") === true) return [];
  return problem(
    "gatewayAPI.enabled",
    "is true, and the chart then silently takes socket load balancing away from all pods; say so with socketLB.hostNamespaceOnly: true, or serve Gateway API by another controller.",
  );
}

const oneOf =
  (path: string, allowed: readonly string[]) =>
  (values: Values): InputProblem[] => {
    const value = valueAt(values, path);
    if (value === undefined || value === null || allowed.includes(String(value))) return [];
    return problem(
      path,
      `is ${text(value)}, and the agent knows ${allowed.map((item) => text(item)).join(", ")}; use one of these.`,
    );
  };

export const balancingModeRule = oneOf("loadBalancer.mode", ["snat", "dsr", "hybrid"]);
export const algorithmRule = oneOf("loadBalancer.algorithm", ["random", "maglev"]);
export const accelerationRule = oneOf("loadBalancer.acceleration", ["disabled", "best-effort", "native"]);
export const dsrDispatchRule = oneOf("loadBalancer.dsrDispatch", ["opt", "geneve", "ipip"]);
export const noBackendRule = oneOf("serviceNoBackendResponse", ["reject", "drop"]);

const directReturn = (values: Values): string | undefined => {
  const mode = valueAt(values, "loadBalancer.mode");
  return mode === "dsr" || mode === "hybrid" ? mode : undefined;
};

export function dsrRoutingRule(values: Values): InputProblem[] {
  const mode = directReturn(values);
  if (mode === undefined || values["routingMode"] === "native") return [];
  const geneve = values["tunnelProtocol"] === "geneve" && valueAt(values, "loadBalancer.dsrDispatch") === "geneve";
  if (geneve) return [];
  return problem(
    "loadBalancer.mode",
    `is ${text(mode)} while pods' packets go through a tunnel, where an answer cannot go to the client directly; set it to "snat", or routingMode to "native", or tunnelProtocol and loadBalancer.dsrDispatch to "geneve".`,
  );
}

export function dsrGeneveRule(values: Values): InputProblem[] {
  if (directReturn(values) === undefined || valueAt(values, "loadBalancer.dsrDispatch") !== "geneve") return [];
  if (values["tunnelProtocol"] === "geneve") return [];
  return problem(
    "loadBalancer.dsrDispatch",
    `is "geneve" while tunnelProtocol is ${text(values["tunnelProtocol"] ?? "vxlan")}; set tunnelProtocol to "geneve".`,
  );
}

export function dsrCloudRule(values: Values, { cluster }: CiliumSetting): InputProblem[] {
  const mode = directReturn(values);
  if (mode === undefined || !isCloud(cluster)) return [];
  if ((valueAt(values, "loadBalancer.dsrDispatch") ?? "opt") !== "opt") return [];
  return problem(
    "loadBalancer.mode",
    `is ${text(mode)} with IP options, which a cloud's network drops; set it to "snat", or loadBalancer.dsrDispatch to "geneve".`,
  );
}

export function xdpPlatformRule(values: Values, { cluster }: CiliumSetting): InputProblem[] {
  const acceleration = valueAt(values, "loadBalancer.acceleration");
  if (cluster.platform !== "gke" || (acceleration !== "native" && acceleration !== "best-effort")) return [];
  return problem(
    "loadBalancer.acceleration",
    `is ${text(acceleration)}, and Google's machines have no device on which Cilium's XDP works; set it to "disabled" or leave it out.`,
  );
}

export function maglevRule(values: Values): InputProblem[] {
  const unknown = Object.keys((values["maglev"] as Values | undefined) ?? {}).find(
    (key) => key !== "tableSize" && key !== "hashSeed",
  );
  if (unknown !== undefined) {
    return problem(`maglev.${unknown}`, "is no value of Maglev's and would be ignored; use tableSize or hashSeed.");
  }
  const size = valueAt(values, "maglev.tableSize");
  if (size === undefined || size === null || tableSizes.includes(Number(size))) return [];
  return problem(
    "maglev.tableSize",
    `is ${text(size)}, and the agent takes only the primes ${tableSizes.join(", ")}; use one of these, above 100 times the backends of the largest Service.`,
  );
}

export function maglevSeedRule(values: Values): InputProblem[] {
  const seed = valueAt(values, "maglev.hashSeed");
  if (seed === undefined || seed === null) return [];
  if (typeof seed === "string" && /^[A-Za-z0-9+/]{16}$/.test(seed)) return [];
  return problem(
    "maglev.hashSeed",
    "is not 12 bytes in base64; make one with: head -c12 /dev/urandom | base64 -w0, and never change it.",
  );
}

export function ciliumHealthAddressRule(values: Values, { cluster }: CiliumSetting): InputProblem[] {
  const address = values["kubeProxyReplacementHealthzBindAddr"];
  const port = listeningPort(address);
  if (port === undefined) {
    return problem(
      "kubeProxyReplacementHealthzBindAddr",
      `is ${text(address)}, and load balancers ask every node for its health there; write an address and a port, such as "0.0.0.0:10256".`,
    );
  }
  if (!isCloud(cluster) || port === 10256) return [];
  return problem(
    "kubeProxyReplacementHealthzBindAddr",
    `is ${text(address)}, and the cloud's load balancers ask port 10256; use "0.0.0.0:10256" or leave it out.`,
  );
}
