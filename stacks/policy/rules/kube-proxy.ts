// SPDX-License-Identifier: Apache-2.0
// The rules that keep kube-proxy out as an add-on, as one that AWS brings by itself, and as a workload or chart.

import { at, containersOf, listAt, type Plain, type ResourceRule, type StackResource, shown } from "../rule.ts";

const isKubeProxy = (value: unknown): boolean => value === "kube-proxy";

/** The engine tells policies no input of a component that a plugin makes: its cluster and its add-ons are judged themselves. */
const isOpaque = ({ type, props }: StackResource): boolean =>
  type === "eks:index:Cluster" && Object.keys(props).length === 0;

/** Add-ons of the two libraries for EKS. */
export const addonRule: ResourceRule = {
  name: "no-kube-proxy-addon",
  description: "EKS installs no kube-proxy add-on.",
  remedy:
    "Leave the add-on out; with eks.Cluster set kubeProxyAddonOptions: { enabled: false }, or use EksCluster, which does so.",
  violations(resource) {
    const { type, props } = resource;
    if (isOpaque(resource)) return [];
    if (type === "aws:eks/addon:Addon" || type === "eks:index:Addon") {
      return isKubeProxy(props["addonName"]) ? ["is the kube-proxy add-on"] : [];
    }
    if (type !== "eks:index:Cluster" || at(props, "autoMode", "enabled") === true) return [];
    const enabled = at(props, "kubeProxyAddonOptions", "enabled");
    return enabled === undefined || enabled === true
      ? [`installs the kube-proxy add-on (kubeProxyAddonOptions.enabled is ${shown(enabled)}, and true when left out)`]
      : [];
  },
};

/** What AWS puts into a new cluster unless told not to; it cannot be changed later. */
export const bootstrapAddonsRule: ResourceRule = {
  name: "no-bootstrap-addons",
  description: "An EKS cluster is created without AWS' own kube-proxy, VPC CNI and CoreDNS.",
  remedy:
    "Set bootstrapSelfManagedAddons: false when the cluster is created, as EksCluster does; a change replaces an existing cluster.",
  violations(resource) {
    const { type, props } = resource;
    if (isOpaque(resource)) return [];
    if (type !== "aws:eks/cluster:Cluster" && type !== "eks:index:Cluster") return [];
    // Auto Mode has no kube-proxy, and AWS admits no other value there.
    const automatic = at(props, "autoMode", "enabled") === true || at(props, "computeConfig", "enabled") === true;
    const value = props["bootstrapSelfManagedAddons"];
    if (automatic || value === false || typeof value === "symbol") return [];
    return [`has bootstrapSelfManagedAddons ${shown(value)}, with which AWS starts kube-proxy on every node`];
  },
};

/** A patch changes what somebody else made, such as the nodes for which a kube-proxy of AWS' is meant: it starts nothing. */
const isPatch = (type: string): boolean => type.endsWith("Patch");

const imageName = (image: unknown): string =>
  typeof image === "string" ? (image.split("@")[0]?.split("/").at(-1)?.split(":")[0] ?? "") : "";

function runsKubeProxy(container: Plain): boolean {
  const command = [...listAt(container, "command"), ...listAt(container, "args")];
  return imageName(container["image"]) === "kube-proxy" || /(^|\/)kube-proxy$/.test(String(command[0] ?? ""));
}

/** DaemonSets, Pods and charts, whoever made them. */
export const workloadRule: ResourceRule = {
  name: "no-kube-proxy-workload",
  description: "No DaemonSet, Pod, ConfigMap or chart of the stack is kube-proxy.",
  remedy: "Remove the resource: the datapath serves Services, and a second server would fight it over them.",
  violations(resource) {
    const { type, props } = resource;
    if (type === "kubernetes:helm.sh/v3:Release" || type === "kubernetes:helm.sh/v4:Chart") {
      const chart = String(props["chart"] ?? "")
        .split("/")
        .at(-1);
      return isKubeProxy(chart) ? ["installs a chart of kube-proxy"] : [];
    }
    if (!type.startsWith("kubernetes:") || isPatch(type)) return [];
    if (containersOf(resource).some(runsKubeProxy)) return ["runs kube-proxy in a container"];
    const named = isKubeProxy(at(props, "metadata", "name")) && /:(DaemonSet|Deployment|Pod|ConfigMap)$/.test(type);
    return named ? [`is kube-proxy's ${type.split(":").at(-1)}`] : [];
  },
};
