// SPDX-License-Identifier: Apache-2.0
// Reads and checks the agent's configuration: flat keys in the words of Cilium's Helm values, no unknown ones.

import { readFileSync } from "node:fs";
import { type Acceleration, accelerations, isAcceleration } from "./core/acceleration.ts";
import { familyOf, type IpFamily, parseCidr } from "./core/ip-address.ts";
import { isAlgorithm, isMode, type LoadBalancing } from "./core/load-balancing.ts";
import { MAGLEV_TABLE_SIZES } from "./core/maglev.ts";

export interface Config {
  readonly apiServer: { readonly host: string; readonly port: number };
  readonly nodeName: string;
  readonly socketLb: boolean;
  /** RuntimeClasses whose Pods have their sockets left alone. */
  readonly bypassRuntimeClasses: readonly string[];
  /** Also Pods' sockets are let go of backends that went; needs CAP_SYS_ADMIN. */
  readonly terminatePodConnections: boolean;
  /** Families that are masqueraded. */
  readonly masquerade: readonly IpFamily[];
  readonly autoDirectNodeRoutes: boolean;
  readonly nativeRoutingCidrs: readonly string[];
  /** Where pods are seen with their own addresses, beside the cluster. */
  readonly nonMasqueradeCidrs: readonly string[];
  /** Empty: found out. */
  readonly devices: readonly string[];
  readonly nodePortRange: { readonly first: number; readonly last: number };
  /** NodePorts are served at the nodes' addresses in these; empty: at all. */
  readonly nodePortCidrs: readonly string[];
  /** No program of the node may bind to a port that a NodePort has. */
  readonly bindProtection: boolean;
  readonly http: { readonly host: string; readonly port: number };
  /** Where kube-proxy serves its metrics; undefined for nowhere. */
  readonly kubeProxyHttp: { readonly host: string; readonly port: number } | undefined;
  readonly cni: { readonly install: boolean; readonly confPath: string; readonly binPath: string };
  readonly cgroupRoot: string;
  readonly bpfRoot: string;
  /** The part of this machine's memory that the maps of Services and nodes may take, and the same for those of connections. */
  readonly mapMemoryRatio: number;
  readonly balancing: LoadBalancing;
  readonly acceleration: Acceleration;
  readonly debug: boolean;
}

/** Names the property, its value, the rule and the remedy. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";

  constructor(property: string, value: unknown, rule: string) {
    super(`${property} = ${JSON.stringify(value)}: ${rule}`);
  }
}

const DEFAULTS = {
  kubeProxyReplacement: true,
  k8sServiceHost: "",
  k8sServicePort: 6443,
  "socketLB.enabled": true,
  "socketLB.bypassRuntimeClasses": "",
  "socketLB.terminatePodConnections": false,
  "bpf.masquerade": true,
  enableIPv4Masquerade: true,
  enableIPv6Masquerade: true,
  "ipMasqAgent.config.nonMasqueradeCIDRs": "",
  "ipam.mode": "kubernetes",
  autoDirectNodeRoutes: false,
  routingMode: "native",
  ipv4NativeRoutingCIDR: "",
  ipv6NativeRoutingCIDR: "",
  devices: "",
  "nodePort.range": "30000,32767",
  "nodePort.addresses": "",
  "nodePort.bindProtection": true,
  kubeProxyReplacementHealthzBindAddr: "0.0.0.0:10256",
  metricsBindAddress: "127.0.0.1:10249",
  "cni.install": true,
  "cni.confPath": "/etc/cni/net.d",
  "cni.binPath": "/opt/cni/bin",
  "cgroup.hostRoot": "/sys/fs/cgroup",
  "bpf.root": "/sys/fs/bpf",
  "bpf.mapDynamicSizeRatio": 0.02,
  "loadBalancer.algorithm": "random",
  "loadBalancer.mode": "snat",
  "loadBalancer.acceleration": "disabled",
  "maglev.tableSize": 16_381,
  "debug.enabled": false,
};

type Values = typeof DEFAULTS;

/** What comes from the Pod's environment: the node by the downward API, and the API server's host where a ConfigMap holds it. */
export interface Surroundings {
  readonly nodeName: string | undefined;
  readonly apiServerHost?: string | undefined;
}

/** Throws `ConfigError` for the first thing that is wrong. */
export function readConfig(path: string, around: Surroundings): Config {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new ConfigError(path, "", `cannot be read as JSON: ${(error as Error).message}; mount the agent's ConfigMap`);
  }
  return parseConfig(json, around);
}

export function parseConfig(json: unknown, { nodeName, apiServerHost = "" }: Surroundings): Config {
  const values = withDefaults(json, { ...DEFAULTS, k8sServiceHost: apiServerHost });
  refuseImpossible(values);
  if (!nodeName) throw new ConfigError("NODE_NAME", nodeName ?? "", "must name this node; set it from spec.nodeName");
  return {
    apiServer: {
      host: values.k8sServiceHost,
      port: portNumber("k8sServicePort", values.k8sServicePort),
    },
    nodeName,
    socketLb: values["socketLB.enabled"],
    bypassRuntimeClasses: wordsOf(values["socketLB.bypassRuntimeClasses"]),
    terminatePodConnections: values["socketLB.terminatePodConnections"],
    masquerade: masqueradeFamilies(values),
    autoDirectNodeRoutes: values.autoDirectNodeRoutes,
    nativeRoutingCidrs: [
      ...networks("ipv4NativeRoutingCIDR", values.ipv4NativeRoutingCIDR, 4),
      ...networks("ipv6NativeRoutingCIDR", values.ipv6NativeRoutingCIDR, 6),
    ],
    nonMasqueradeCidrs: networks(
      "ipMasqAgent.config.nonMasqueradeCIDRs",
      values["ipMasqAgent.config.nonMasqueradeCIDRs"],
    ),
    devices: wordsOf(values.devices),
    bindProtection: values["nodePort.bindProtection"],
    nodePortRange: portRange(values["nodePort.range"]),
    nodePortCidrs: networks("nodePort.addresses", values["nodePort.addresses"]),
    http: bindAddress("kubeProxyReplacementHealthzBindAddr", values.kubeProxyReplacementHealthzBindAddr),
    kubeProxyHttp:
      values.metricsBindAddress === "" ? undefined : bindAddress("metricsBindAddress", values.metricsBindAddress),
    cni: {
      install: values["cni.install"],
      confPath: absolutePath("cni.confPath", values["cni.confPath"]),
      binPath: absolutePath("cni.binPath", values["cni.binPath"]),
    },
    cgroupRoot: absolutePath("cgroup.hostRoot", values["cgroup.hostRoot"]),
    bpfRoot: absolutePath("bpf.root", values["bpf.root"]),
    mapMemoryRatio: ratio("bpf.mapDynamicSizeRatio", values["bpf.mapDynamicSizeRatio"]),
    balancing: balancing(values),
    acceleration: acceleration(values["loadBalancer.acceleration"]),
    debug: values["debug.enabled"],
  };
}

function withDefaults(json: unknown, defaults: Values): Values {
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw new ConfigError("configuration", json, "must be a JSON object of values");
  for (const [key, value] of Object.entries(json)) {
    if (!Object.hasOwn(DEFAULTS, key))
      throw new ConfigError(
        key,
        value,
        `is not a value this agent knows; it knows ${Object.keys(DEFAULTS).join(", ")}`,
      );
    const expected = typeof DEFAULTS[key as keyof Values];
    if (typeof value !== expected) throw new ConfigError(key, value, `must be a ${expected}`);
  }
  return { ...defaults, ...json };
}

function refuseImpossible(values: Values): void {
  if (!values.kubeProxyReplacement)
    throw new ConfigError("kubeProxyReplacement", false, "must be true: this agent is the Service proxy");
  if (values.k8sServiceHost === "")
    throw new ConfigError(
      "k8sServiceHost",
      "",
      "must be the API server's host as a node reaches it without any Service",
    );
  if (values["ipam.mode"] !== "kubernetes")
    throw new ConfigError(
      "ipam.mode",
      values["ipam.mode"],
      'must be "kubernetes": pods get addresses of spec.podCIDRs',
    );
  if (values.routingMode !== "native")
    throw new ConfigError("routingMode", values.routingMode, 'must be "native": this agent builds no tunnels');
  if (masqueradeFamilies(values).includes(4) && values.ipv4NativeRoutingCIDR === "")
    throw new ConfigError(
      "ipv4NativeRoutingCIDR",
      values.ipv4NativeRoutingCIDR,
      "must be the IPv4 network of the pods, so that traffic between pods is not masqueraded; or set enableIPv4Masquerade to false",
    );
  const enabled = (["enableIPv4Masquerade", "enableIPv6Masquerade"] as const).find((key) => values[key]);
  if (enabled && !values["bpf.masquerade"])
    throw new ConfigError(
      "bpf.masquerade",
      false,
      `must be true with ${enabled}: this agent has no iptables masquerade; or set ${enabled} to false`,
    );
}

function masqueradeFamilies(values: Values): IpFamily[] {
  if (!values["bpf.masquerade"]) return [];
  return [...(values.enableIPv4Masquerade ? [4 as const] : []), ...(values.enableIPv6Masquerade ? [6 as const] : [])];
}

/** Of one family, when that is given. */
function networks(property: string, text: string, family?: IpFamily): string[] {
  return wordsOf(text).map((word) => {
    const cidr = parseCidr(word);
    if (!cidr || (family !== undefined && cidr.family !== family))
      throw new ConfigError(
        property,
        word,
        `must be an IP${family === undefined ? "" : `v${family}`} network such as ${family === 6 ? "fd00::/48" : "10.0.0.0/8"}`,
      );
    return cidr.text;
  });
}

const wordsOf = (text: string): string[] => text.split(/[\s,]+/).filter((word) => word !== "");

function portNumber(property: string, value: number): number {
  if (!Number.isInteger(value) || value < 1 || value > 65_535)
    throw new ConfigError(property, value, "must be a port, 1 to 65535");
  return value;
}

function balancing(values: Values): LoadBalancing {
  const { "loadBalancer.algorithm": algorithm, "loadBalancer.mode": mode, "maglev.tableSize": size } = values;
  if (!isAlgorithm(algorithm))
    throw new ConfigError("loadBalancer.algorithm", algorithm, 'must be "random" or "maglev"');
  if (!MAGLEV_TABLE_SIZES.includes(size))
    throw new ConfigError("maglev.tableSize", size, `must be one of the primes ${MAGLEV_TABLE_SIZES.join(", ")}`);
  if (!isMode(mode)) throw new ConfigError("loadBalancer.mode", mode, 'must be "snat", "dsr" or "hybrid"');
  if (mode !== "snat" && algorithm !== "maglev")
    throw new ConfigError(
      "loadBalancer.mode",
      mode,
      'needs loadBalancer.algorithm "maglev", by which a backend\'s node finds the same backend; set that, or the mode to "snat"',
    );
  if (mode !== "snat" && !values.autoDirectNodeRoutes)
    throw new ConfigError(
      "loadBalancer.mode",
      mode,
      'needs autoDirectNodeRoutes, as packets are handed to nodes on the same network segment; set that to true, or the mode to "snat"',
    );
  return { algorithm, maglevTableSize: size, mode };
}

function acceleration(text: string): Acceleration {
  if (!isAcceleration(text))
    throw new ConfigError("loadBalancer.acceleration", text, `must be one of ${accelerations.join(", ")}`);
  return text;
}

function ratio(property: string, value: number): number {
  if (!(value > 0 && value <= 1)) throw new ConfigError(property, value, "must be above 0 and at most 1");
  return value;
}

function portRange(text: string): Config["nodePortRange"] {
  const [first = Number.NaN, last = Number.NaN, ...more] = text.split(/[,-]/).map(Number);
  if (
    more.length > 0 ||
    !Number.isInteger(first) ||
    !Number.isInteger(last) ||
    first < 1 ||
    last > 65_535 ||
    first > last
  )
    throw new ConfigError("nodePort.range", text, 'must be two ports such as "30000,32767", the lower one first');
  return { first, last };
}

function bindAddress(property: string, text: string): Config["http"] {
  const [, host, port] = /^(?:\[([0-9a-fA-F:]+)\]|[^:[\]]*):(\d+)$/.exec(text) ?? [];
  const address = host ?? text.slice(0, text.lastIndexOf(":"));
  if (port === undefined || familyOf(address || "0.0.0.0") === undefined)
    throw new ConfigError(property, text, 'must be an address and port such as "0.0.0.0:10256"');
  return { host: address || "0.0.0.0", port: portNumber(property, Number(port)) };
}

function absolutePath(property: string, value: string): string {
  if (!value.startsWith("/")) throw new ConfigError(property, value, "must be an absolute path");
  return value;
}
