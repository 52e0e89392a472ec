// SPDX-License-Identifier: Apache-2.0
// The configuration of the local stack: how many machines, how large, on which networks, with which Kubernetes.

import { isIPv4 } from "node:net";
import * as pulumi from "@pulumi/pulumi";
import { kubernetesVersion as pinnedVersion } from "./toolchain/programs.ts";

/** The configuration with its defaults. */
export interface Settings {
  readonly controlPlanes: number;
  readonly workers: number;
  readonly controlPlaneMemoryMb: number;
  readonly workerMemoryMb: number;
  /** Subnet of the machines; the box holds its first address. */
  readonly subnet: string;
  readonly bridge: string;
  readonly kubernetesVersion: string;
  readonly podCidr: string;
  readonly serviceCidr: string;
  /** Whether machines, pods and Services have IPv6 addresses beside the IPv4 ones. */
  readonly dualStack: boolean;
  /** Values of the agent's chart that differ from those of the stack. */
  readonly helmValues: { readonly [key: string]: unknown };
}

/** The IPv6 networks of a dual-stack cluster: unique local ones, which the machines of one box have for themselves. */
export const podCidr6 = "fd00:10:244::/56";
export const serviceCidr6 = "fd00:10:96::/112";

/** One machine of the stack. */
export interface MachinePlan {
  readonly name: string;
  readonly role: "control-plane" | "worker";
  readonly address: string;
  /** Undefined in a stack of one family. */
  readonly ipv6Address: string | undefined;
  readonly memoryMb: number;
}

/** First address of each role inside the subnet: room for nine control planes, and workers after them. */
const firstOffset = { "control-plane": 11, worker: 21 } as const;

/** Where values come from: Pulumi's configuration, or what an update will find in it. */
export interface Values {
  get(key: string): string | undefined;
}

function wrong(key: string, value: unknown, rule: string): pulumi.RunError {
  return new pulumi.RunError(
    `The configuration sansproxy:${key} is ${JSON.stringify(value)}, but ${rule}: npm run up -- -c sansproxy:${key}=VALUE.`,
  );
}

function wholeNumber(config: Values, key: string, fallback: number, least: number, most: number): number {
  const text = config.get(key);
  const value = text === undefined ? fallback : Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw wrong(key, text, `it has to be a whole number from ${least} to ${most}`);
}

function subnetOf(config: Values): string {
  const subnet = config.get("subnet") ?? "10.89.0.0/24";
  const [address = "", length = ""] = subnet.split("/");
  if (isIPv4(address) && length === "24" && address.endsWith(".0")) return subnet;
  throw wrong(
    "subnet",
    subnet,
    "it has to be an IPv4 network of the form a.b.c.0/24, whose first address the box takes",
  );
}

function yesOrNo(config: Values, key: string): boolean {
  const value = config.get(key) ?? "false";
  if (value === "true" || value === "false") return value === "true";
  throw wrong(key, value, "it has to be true or false");
}

function helmValuesOf(config: Values): Settings["helmValues"] {
  const text = config.get("helmValues") ?? "{}";
  try {
    const values: unknown = JSON.parse(text);
    if (typeof values === "object" && values !== null && !Array.isArray(values))
      return values as Settings["helmValues"];
  } catch {
    // Said below, like any other text that is no object.
  }
  throw wrong("helmValues", text, `it has to be a JSON object of chart values, such as {"debug":{"enabled":true}}`);
}

function bridgeOf(config: Values): string {
  const bridge = config.get("bridge") ?? "sansproxy0";
  if (/^[a-z][a-z0-9-]{0,14}$/.test(bridge)) return bridge;
  throw wrong("bridge", bridge, "a link has 1 to 15 lower-case letters, digits and dashes, a letter first");
}

/** The programs are built from one minor version's sources. */
function kubernetesVersionOf(config: Values): string {
  const version = config.get("kubernetesVersion") ?? pinnedVersion;
  const canonical = version.startsWith("v") ? version : `v${version}`;
  const minor = pinnedVersion.replace(/\.\d+$/, "");
  if (canonical.startsWith(`${minor}.`) && /^\d+$/.test(canonical.slice(minor.length + 1))) return canonical;
  throw wrong(
    "kubernetesVersion",
    version,
    `it has to be ${pinnedVersion}, whose sources the programs are built from, or another patch version of ${minor}`,
  );
}

/** Reads the configuration; a value that cannot be is refused before anything is made. */
export function readSettings(config: Values): Settings {
  return {
    controlPlanes: wholeNumber(config, "controlPlanes", 1, 1, 9),
    workers: wholeNumber(config, "workers", 2, 0, 100),
    controlPlaneMemoryMb: wholeNumber(config, "controlPlaneMemoryMb", 2048, 1700, 1_048_576),
    workerMemoryMb: wholeNumber(config, "workerMemoryMb", 1024, 512, 1_048_576),
    subnet: subnetOf(config),
    bridge: bridgeOf(config),
    kubernetesVersion: kubernetesVersionOf(config),
    podCidr: config.get("podCidr") ?? "10.244.0.0/16",
    serviceCidr: config.get("serviceCidr") ?? "10.96.0.0/16",
    dualStack: yesOrNo(config, "dualStack"),
    helmValues: helmValuesOf(config),
  };
}

/** `10.89.7.0/24` has `fd00:10:89:7::/64` beside it, so that networks that differ in one family differ in the other. */
export function ipv6Subnet({ subnet }: Pick<Settings, "subnet">): string {
  const [first, second, third] = subnet.split(".");
  return `fd00:${first}:${second}:${third}::/64`;
}

/** The machines: names and addresses stay with a machine when others come and go. */
export function planMachines(settings: Settings): MachinePlan[] {
  const base6 = ipv6Subnet(settings).replace("/64", "");
  const base = settings.subnet.split("/")[0]?.split(".").slice(0, 3).join(".") ?? "";
  const machines = (role: MachinePlan["role"], prefix: string, count: number, memoryMb: number): MachinePlan[] =>
    Array.from({ length: count }, (_, index) => ({
      name: `${prefix}-${index + 1}`,
      role,
      address: `${base}.${firstOffset[role] + index}`,
      ipv6Address: settings.dualStack ? `${base6}${firstOffset[role] + index}` : undefined,
      memoryMb,
    }));
  return [
    ...machines("control-plane", "cp", settings.controlPlanes, settings.controlPlaneMemoryMb),
    ...machines("worker", "worker", settings.workers, settings.workerMemoryMb),
  ];
}
