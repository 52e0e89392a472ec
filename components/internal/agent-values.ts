// SPDX-License-Identifier: Apache-2.0
// The chart values of the agent: what the cluster determines, then what the user chose, then what he wrote as Helm values.

import { parseCidr } from "./cidr.ts";
import type { DatapathCluster, Values } from "./datapath-rules.ts";

function isTree(value: unknown): value is Values {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** `over` laid over `under`: trees are merged, everything else is replaced, `undefined` changes nothing. */
export function mergeValues(under: Values, over: Values): Values {
  const merged: Record<string, unknown> = { ...under };
  for (const [key, value] of Object.entries(over)) {
    if (value === undefined) continue;
    const below = merged[key];
    merged[key] = isTree(value) ? mergeValues(isTree(below) ? below : {}, value) : value;
  }
  return merged;
}

/** Where Debian's and Ubuntu's package containernetworking-plugins puts them, and BareMetalCluster's containerd looks. */
export const distributionCniPlugins = "/usr/lib/cni";

/** The values that the cluster determines. */
function clusterValues(cluster: DatapathCluster, imageTag: string): Values {
  const { capabilities } = cluster;
  const [ipv4PodCidr, ipv6PodCidr] = [4, 6].map((family) =>
    cluster.podCidrs.find((podCidr) => parseCidr(podCidr)?.family === family),
  );
  return {
    kubeProxyReplacement: true,
    socketLB: { enabled: true },
    bpf: { masquerade: true },
    enableIPv4Masquerade: true,
    enableIPv6Masquerade: ipv6PodCidr !== undefined,
    ipam: { mode: "kubernetes" },
    routingMode: "native",
    autoDirectNodeRoutes: capabilities.nativeRouting,
    ...(ipv4PodCidr === undefined ? {} : { ipv4NativeRoutingCIDR: ipv4PodCidr }),
    ...(ipv6PodCidr === undefined ? {} : { ipv6NativeRoutingCIDR: ipv6PodCidr }),
    nodePort: { range: "30000,32767" },
    kubeProxyReplacementHealthzBindAddr: "0.0.0.0:10256",
    cni: {
      install: !capabilities.ownsCni,
      ...(cluster.platform === "bare-metal" ? { binPath: distributionCniPlugins } : {}),
    },
    image: { tag: imageTag },
  };
}

/** The complete values, without the API server's address. */
export function chosenValues(
  cluster: DatapathCluster,
  options: Values,
  helmValues: Values,
  defaults: { readonly imageTag: string },
): Values {
  return mergeValues(mergeValues(clusterValues(cluster, defaults.imageTag), options), helmValues);
}
