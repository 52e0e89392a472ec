// SPDX-License-Identifier: Apache-2.0
// The chart values of Cilium: a tuned set for each platform and mode, then the user's options, then his Helm values.

import { distributionCniPlugins, mergeValues } from "../agent-values.ts";
import { parseCidr } from "../cidr.ts";
import type { Values } from "../datapath-rules.ts";
import type { CiliumSetting } from "./modes.ts";
import {
  defaultLbMapMax,
  defaultNodeMapMax,
  defaultTableSize,
  demandOf,
  largestMap,
  leastTableSize,
  nodeMapMaxFor,
} from "./sizing.ts";

/** The sizes of maps and tables that the load needs, where the chart's own are too small for it. */
function sizes({ load }: CiliumSetting): Values {
  if (load === undefined) return {};
  const lbMapMax = Math.min(demandOf(load).lbMapMax, largestMap);
  const nodeMapMax = nodeMapMaxFor(load.nodes ?? 0);
  const bpf = {
    ...(lbMapMax > defaultLbMapMax ? { lbMapMax } : {}),
    ...(nodeMapMax > defaultNodeMapMax ? { nodeMapMax } : {}),
  };
  const tableSize = leastTableSize(load);
  return {
    ...(Object.keys(bpf).length === 0 ? {} : { bpf }),
    ...(tableSize > defaultTableSize ? { maglev: { tableSize } } : {}),
  };
}

/** What every installation needs: no kube-proxy, health checks for load balancers, changes that take effect. */
function baseValues(setting: CiliumSetting): Values {
  return {
    kubeProxyReplacement: true,
    kubeProxyReplacementHealthzBindAddr: "0.0.0.0:10256",
    socketLB: { enabled: true },
    loadBalancer: { mode: "snat", algorithm: "random", serviceTopology: true },
    ...sizes(setting),
    rollOutCiliumPods: true,
    operator: { rollOutPods: true, replicas: setting.load?.nodes === 1 ? 1 : 2 },
    upgradeCompatibility: "1.20",
    hubble: { tls: { auto: { method: "cronJob" } } },
  };
}

const bpfMasquerade: Values = {
  enableIPv4Masquerade: true,
  bpf: { masquerade: true, hostLegacyRouting: false },
};

/** The agent refuses to start with BPF masquerade where nothing is masqueraded. */
const noMasquerade: Values = { enableIPv4Masquerade: false, bpf: { masquerade: false } };

const podCidr = ({ cluster }: CiliumSetting): Values => {
  const network = cluster.podCidrs?.find((text) => parseCidr(text)?.family === 4);
  return network === undefined ? {} : { ipv4NativeRoutingCIDR: network };
};

const tunnel: Values = { ...bpfMasquerade, routingMode: "tunnel", tunnelProtocol: "vxlan" };

/**
 * The tags by which the operator, and the end of the cluster, know interfaces as this cluster's own: by the chart's default,
 * clusters that share a VPC may have one name.
 */
const ownTags = (name: string): Values => ({
  gcTags: { "io.cilium/cilium-managed": "true", "io.cilium/cluster-name": name },
});

const eni = ({ cluster }: CiliumSetting): Values => ({
  eni: { enabled: true, ...(cluster.name === undefined ? {} : ownTags(cluster.name)) },
  ipam: { mode: "eni" },
  routingMode: "native",
  cni: { exclusive: true },
});

const bareMetal: Values = {
  ipam: { mode: "kubernetes" },
  k8s: { requireIPv4PodCIDR: true },
  cni: { binPath: distributionCniPlugins },
};

const tuned: Readonly<Record<string, (setting: CiliumSetting) => Values>> = {
  "bare-metal/tunnel": () => ({ ...bareMetal, ...tunnel }),
  "bare-metal/native": (setting) => ({
    ...bareMetal,
    ...bpfMasquerade,
    routingMode: "native",
    autoDirectNodeRoutes: true,
    ...podCidr(setting),
    loadBalancer: { mode: "dsr", algorithm: "maglev", acceleration: "best-effort" },
    installNoConntrackIptablesRules: true,
    bandwidthManager: { enabled: true },
  }),
  "eks/eni": (setting) => ({ ...eni(setting), ...noMasquerade, ...podCidr(setting) }),
  "eks/eni-masquerading": (setting) => ({ ...eni(setting), ...bpfMasquerade, ...podCidr(setting) }),
  "eks/chaining": () => ({
    ...noMasquerade,
    cni: { chainingMode: "aws-cni", exclusive: false },
    routingMode: "native",
    endpointRoutes: { enabled: true },
  }),
  "eks/overlay": ({ cluster }) => ({
    ...tunnel,
    ipam: {
      mode: "cluster-pool",
      operator: {
        clusterPoolIPv4PodCIDRList: (cluster.podCidrs ?? []).filter((text) => parseCidr(text)?.family !== 6),
      },
    },
    cni: { exclusive: true },
  }),
  "gke/self-managed": (setting) => ({
    ...bpfMasquerade,
    gke: { enabled: true },
    ipam: { mode: "kubernetes" },
    routingMode: "native",
    ...podCidr(setting),
    // /opt/cni/bin is read-only on Container-Optimized OS, and gke.enabled does not change it.
    cni: { binPath: "/home/kubernetes/bin" },
  }),
};

/** The values that the platform and the mode determine. */
function tunedValues(setting: CiliumSetting): Values {
  const ofMode = tuned[`${setting.cluster.platform}/${setting.mode}`];
  return mergeValues(baseValues(setting), ofMode === undefined ? {} : ofMode(setting));
}

/** The complete values, without the API server's address. */
export function chosenCiliumValues(setting: CiliumSetting, options: Values, helmValues: Values): Values {
  return mergeValues(mergeValues(tunedValues(setting), options), helmValues);
}
