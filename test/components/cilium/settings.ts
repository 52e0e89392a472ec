// SPDX-License-Identifier: Apache-2.0
// Installations of Cilium for the tests: one on each platform and in each mode, with every option that has a type.

import { type CiliumSetting, defaultMode } from "../../../components/internal/cilium/modes.ts";
import { assumedNodeMemoryMib, type Load } from "../../../components/internal/cilium/sizing.ts";
import type { DatapathOptions } from "../../../components/internal/datapath-options.ts";
import type { KubernetesClusterCapabilities } from "../../../components/kubernetes-cluster.ts";

interface Platform {
  readonly capabilities: KubernetesClusterCapabilities;
  readonly podCidr: string;
  readonly serviceCidr: string;
  readonly host: string;
  readonly port: number;
}

const platforms: Readonly<Record<string, Platform>> = {
  "bare-metal": {
    capabilities: { podCidrPerNode: true, nativeRouting: true, ownsCni: false },
    podCidr: "10.244.0.0/16",
    serviceCidr: "10.96.0.0/12",
    host: "10.89.0.11",
    port: 6443,
  },
  eks: {
    capabilities: { podCidrPerNode: false, nativeRouting: false, ownsCni: false },
    podCidr: "10.20.0.0/16",
    serviceCidr: "172.20.0.0/16",
    host: "0123456789ABCDEF.gr7.eu-central-1.eks.amazonaws.com",
    port: 443,
  },
  gke: {
    capabilities: { podCidrPerNode: true, nativeRouting: false, ownsCni: false },
    podCidr: "10.4.0.0/14",
    serviceCidr: "10.8.0.0/20",
    host: "34.89.1.2",
    port: 443,
  },
};

export function platformOf(name: string): Platform {
  const platform = platforms[name];
  if (platform === undefined) throw new Error(`The tests have no platform ${name}.`);
  return platform;
}

/** An installation of which everything is known. */
export function settingOf(
  platform: string,
  mode: string | undefined,
  changes: Partial<CiliumSetting> = {},
): CiliumSetting {
  const { capabilities, podCidr, serviceCidr, host, port } = platformOf(platform);
  const cluster = {
    name: platform,
    platform,
    capabilities,
    podCidrs: [podCidr],
    serviceCidrs: [serviceCidr],
    apiServerHost: host,
    apiServerPort: port,
  };
  return {
    cluster,
    mode: mode ?? defaultMode(cluster),
    version: "1.20.0",
    chartSource: "https://helm.cilium.io/",
    kernel: undefined,
    load: undefined,
    ...changes,
  };
}

export function load(changes: Partial<Load>): Load {
  return {
    services: 1000,
    endpoints: 10000,
    portsPerService: 1,
    exposedServices: 0,
    addressesPerNode: 1,
    nodes: 100,
    nodeMemoryMib: assumedNodeMemoryMib,
    mapMemoryBudgetMib: assumedNodeMemoryMib / 4,
    ...changes,
  };
}

type Every = { [K in keyof Required<DatapathOptions>]: Required<Required<DatapathOptions>[K]> };

/** Every option that has a type: a new one has to be added here, or this does not compile. The agent's own alerts are none of Cilium's. */
export const everyOption: Omit<Every, "prometheus"> & { readonly prometheus: Omit<Every["prometheus"], "rules"> } = {
  kubeProxyReplacement: true,
  socketLB: { enabled: true, hostNamespaceOnly: true },
  bpf: {
    masquerade: true,
    hostLegacyRouting: false,
    datapathMode: "veth",
    lbMapMax: 131072,
    mapDynamicSizeRatio: 0.005,
    preallocateMaps: false,
  },
  ipam: { mode: "kubernetes" },
  routingMode: "native",
  autoDirectNodeRoutes: true,
  ipv4NativeRoutingCIDR: "10.244.0.0/16",
  ipv6NativeRoutingCIDR: "fd00:244::/56",
  enableIPv4Masquerade: true,
  enableIPv6Masquerade: true,
  devices: "eth0,eth1",
  nodePort: { range: "30000,32767", addresses: ["192.168.10.0/24", "fd00:10::/64"] },
  kubeProxyReplacementHealthzBindAddr: "0.0.0.0:10256",
  cni: { install: true, confPath: "/etc/cni/net.d", binPath: "/opt/cni/bin", exclusive: true },
  prometheus: { enabled: true, serviceMonitor: { enabled: true, labels: { release: "kps" }, interval: "30s" } },
  dashboards: { enabled: true, label: "grafana_dashboard", labelValue: "1", namespace: "grafana", annotations: {} },
  image: { repository: "quay.io/cilium/cilium", tag: "v1.20.0", pullPolicy: "IfNotPresent" },
  loadBalancer: { mode: "dsr", algorithm: "maglev", acceleration: "native", dsrDispatch: "opt", serviceTopology: true },
  maglev: { tableSize: 65521 },
  tunnelProtocol: "geneve",
  installNoConntrackIptablesRules: true,
  bandwidthManager: { enabled: true, bbr: false },
  MTU: 9000,
  ipv6: { enabled: false },
  eni: { enabled: false, awsEnablePrefixDelegation: false },
  gatewayAPI: { enabled: true },
  operator: { replicas: 2 },
  upgradeCompatibility: "1.20",
  agentNotReadyTaintKey: "ignore-taint.cluster-autoscaler.kubernetes.io/cilium-agent-not-ready",
};
