// SPDX-License-Identifier: Apache-2.0
// The rules for Cilium's values about nodes: kernel, devices, maps, images, and the operator.

import { isTaintKey } from "../cloud/taints.ts";
import { type Values, valueAt } from "../datapath-rules.ts";
import type { InputProblem } from "../input-errors.ts";
import type { CiliumSetting } from "./modes.ts";
import { largestMap } from "./sizing.ts";

const problem = (propertyPath: string, reason: string): InputProblem[] => [{ propertyPath, reason }];
const text = JSON.stringify;

/** Whether kernel `a` is older than `b`, both such as `6.8` or `6.8.0-45-generic`. */
function isOlder(a: string, b: string): boolean {
  const [majorA = 0, minorA = 0] = a.split(/[.-]/).map(Number);
  const [majorB = 0, minorB = 0] = b.split(/[.-]/).map(Number);
  return majorA < majorB || (majorA === majorB && minorA < minorB);
}

/** A path that needs a kernel which the nodes do not have, or of which nothing is known. */
function kernelProblem(path: string, what: string, needed: string, kernel: string | undefined): InputProblem[] {
  if (kernel === undefined) {
    return problem(
      path,
      `${what} kernel ${needed} or newer on every node, and the nodes' kernel is not known; give the oldest one as minimumKernelVersion.`,
    );
  }
  if (!isOlder(kernel, needed)) return [];
  return problem(
    path,
    `${what} kernel ${needed} or newer, and minimumKernelVersion is "${kernel}"; leave it out, or use nodes with a newer kernel.`,
  );
}

const netkitMode = (values: Values): string | undefined => {
  const mode = valueAt(values, "bpf.datapathMode");
  return mode === "netkit" || mode === "netkit-l2" ? mode : undefined;
};

export function datapathModeRule(values: Values): InputProblem[] {
  const mode = valueAt(values, "bpf.datapathMode");
  if (mode === undefined || mode === null || ["auto", "veth", "netkit", "netkit-l2"].includes(String(mode))) return [];
  return problem("bpf.datapathMode", `is ${text(mode)}; use "veth", "netkit", "netkit-l2" or "auto".`);
}

export function netkitKernelRule(values: Values, { kernel }: CiliumSetting): InputProblem[] {
  const mode = netkitMode(values);
  return mode === undefined ? [] : kernelProblem("bpf.datapathMode", `is ${text(mode)}, which needs`, "6.8", kernel);
}

export function netkitTproxyRule(values: Values): InputProblem[] {
  if (netkitMode(values) === undefined || valueAt(values, "bpf.tproxy") !== true) return [];
  return problem(
    "bpf.tproxy",
    'is true, which does not work on netkit devices; set it to false, or bpf.datapathMode to "veth".',
  );
}

export function netkitHostRoutingRule(values: Values): InputProblem[] {
  if (netkitMode(values) === undefined || valueAt(values, "bpf.hostLegacyRouting") !== true) return [];
  return problem(
    "bpf.hostLegacyRouting",
    'is true, and netkit devices hand packets over past the host\'s stack; set it to false, or bpf.datapathMode to "veth".',
  );
}

export function oldestKernelRule(_values: Values, { kernel }: CiliumSetting): InputProblem[] {
  if (kernel === undefined) return [];
  if (!/^\d+\.\d+/.test(kernel)) {
    return problem("minimumKernelVersion", `is "${kernel}", which is not a version; write it as "6.8".`);
  }
  if (!isOlder(kernel, "5.10")) return [];
  return problem("minimumKernelVersion", `is "${kernel}", and Cilium needs 5.10; use nodes with a newer kernel.`);
}

export function bbrRule(values: Values, { kernel }: CiliumSetting): InputProblem[] {
  if (valueAt(values, "bandwidthManager.bbr") !== true) return [];
  if (valueAt(values, "bandwidthManager.enabled") !== true) {
    return problem("bandwidthManager.bbr", "is true while bandwidthManager.enabled is not; set that to true as well.");
  }
  return kernelProblem("bandwidthManager.bbr", "is true, which needs", "5.18", kernel);
}

export function bigTcpRule(values: Values, { kernel }: CiliumSetting): InputProblem[] {
  const path = ["enableIPv4BIGTCP", "enableIPv6BIGTCP"].find((key) => values[key] === true);
  if (path === undefined) return [];
  if (values["routingMode"] !== "native" || valueAt(values, "encryption.enabled") === true) {
    return problem(
      path,
      'is true, which works with neither a tunnel nor encryption; leave it out, or set routingMode to "native".',
    );
  }
  return kernelProblem(path, "is true, which needs", path === "enableIPv4BIGTCP" ? "6.3" : "5.19", kernel);
}

export function mtuRule(values: Values): InputProblem[] {
  const mtu = values["MTU"];
  if (mtu === undefined || mtu === null || mtu === 0 || (typeof mtu === "number" && mtu >= 1280 && mtu <= 65535))
    return [];
  return problem("MTU", `is ${text(mtu)}; use 0, which finds it out, or 1280 to 65535 bytes.`);
}

export function mapLimitsRule(values: Values): InputProblem[] {
  return ["lbMapMax", "ctTcpMax", "ctAnyMax", "natMax", "neighMax"].flatMap((key) => {
    const size = valueAt(values, `bpf.${key}`);
    if (size === undefined || size === null) return [];
    if (typeof size === "number" && Number.isInteger(size) && size >= 1024 && size <= largestMap) return [];
    return problem(
      `bpf.${key}`,
      `is ${text(size)}, and the agent makes maps of 1024 to ${largestMap} entries; use a number in between.`,
    );
  });
}

export function natSizeRule(values: Values): InputProblem[] {
  const [nat, tcp, any] = ["natMax", "ctTcpMax", "ctAnyMax"].map((key) => valueAt(values, `bpf.${key}`));
  if (typeof nat !== "number" || typeof tcp !== "number" || typeof any !== "number" || nat <= tcp + any) return [];
  return problem(
    "bpf.natMax",
    `is ${nat}, more than the ${tcp + any} connections that bpf.ctTcpMax and bpf.ctAnyMax allow, and the agent refuses to start so; use ${Math.floor(((tcp + any) * 2) / 3)} or less.`,
  );
}

export function mapRatioRule(values: Values): InputProblem[] {
  const ratio = valueAt(values, "bpf.mapDynamicSizeRatio");
  if (ratio === undefined || ratio === null || (Number(ratio) > 0 && Number(ratio) <= 1)) return [];
  return problem(
    "bpf.mapDynamicSizeRatio",
    `is ${text(ratio)}, and it is a part of a node's memory; use a number above 0 and up to 1, such as 0.0025.`,
  );
}

export function operatorReplicasRule(values: Values, { load }: CiliumSetting): InputProblem[] {
  const replicas = valueAt(values, "operator.replicas");
  if (typeof replicas !== "number" || replicas < 1) {
    return problem(
      "operator.replicas",
      `is ${text(replicas)}, and without an operator no node becomes ready; use 1 or more.`,
    );
  }
  if (load?.nodes === undefined || replicas <= load.nodes) return [];
  return problem(
    "operator.replicas",
    `is ${replicas} while ${load.nodes} nodes are expected, and each replica needs a node of its own; use ${load.nodes} or leave it out.`,
  );
}

const images = ["image", "operator.image", "envoy.image"];

export function pinnedImageRule(values: Values): InputProblem[] {
  return images.flatMap((image) => {
    const tag = valueAt(values, `${image}.tag`);
    if (tag !== "latest") return [];
    return problem(
      `${image}.tag`,
      'is "latest", so that nodes could run different agents; name one version, or leave it out for the chart\'s own.',
    );
  });
}

/** The chart writes its own digest behind any tag, and the digest decides. */
export function imageDigestRule(values: Values): InputProblem[] {
  return ["image", "envoy.image"].flatMap((image) => {
    if (valueAt(values, `${image}.tag`) === undefined || valueAt(values, `${image}.tag`) === "latest") return [];
    if (valueAt(values, `${image}.digest`) !== undefined || valueAt(values, `${image}.useDigest`) === false) return [];
    return problem(
      `${image}.tag`,
      `is ${text(valueAt(values, `${image}.tag`))}, and the chart would add its own digest, which decides alone; give ${image}.digest as well, or set ${image}.useDigest to false in helmValues.`,
    );
  });
}

export function taintKeyRule(values: Values): InputProblem[] {
  const key = values["agentNotReadyTaintKey"];
  if (key === undefined || key === null || isTaintKey(key)) return [];
  return problem(
    "agentNotReadyTaintKey",
    `is ${text(key)}, which is not a taint's key; write one such as "node.cilium.io/agent-not-ready".`,
  );
}

export function upgradeCompatibilityRule(values: Values, { version }: CiliumSetting): InputProblem[] {
  const value = values["upgradeCompatibility"];
  if (value === undefined || value === null) return [];
  const match = typeof value === "string" ? /^1\.(\d+)$/.exec(value) : null;
  const minor = Number(/^1\.(\d+)\./.exec(version)?.[1] ?? Number.NaN);
  if (match !== null && !(Number(match[1]) > minor)) return [];
  return problem(
    "upgradeCompatibility",
    `is ${text(value)} with version ${text(version)}; write the minor version that was installed first as text, such as "1.20".`,
  );
}
