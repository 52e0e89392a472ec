// SPDX-License-Identifier: Apache-2.0
// Judges, from the API server's lists, that no kube-proxy DaemonSet and no kube-proxy Pod exists in any namespace.
import type { V1DaemonSet, V1ObjectMeta, V1Pod, V1PodSpec } from "@kubernetes/client-node";
import { CHECK } from "./checks.ts";
import { type Check, WHOLE_CLUSTER } from "./report.ts";

const imageName = (image: string): string => {
  const path = image.split("@")[0] ?? "";
  return path.slice(path.lastIndexOf("/") + 1).split(":")[0] ?? "";
};

/** By name, by the label its manifests carry, or by image, whatever it is called. */
const isKubeProxy = (metadata: V1ObjectMeta | undefined, spec: V1PodSpec | undefined): boolean =>
  /^kube-proxy(?:-|$)/.test(metadata?.name ?? "") ||
  metadata?.labels?.["k8s-app"] === "kube-proxy" ||
  metadata?.labels?.["app.kubernetes.io/name"] === "kube-proxy" ||
  (spec?.containers ?? []).some((container) => /^kube-proxy(?:-|$)/.test(imageName(container.image ?? "")));

const fullName = (metadata: V1ObjectMeta | undefined): string => `${metadata?.namespace}/${metadata?.name}`;

export const judgeDaemonSets = (daemonSets: readonly V1DaemonSet[]): Check => {
  const found = daemonSets.filter((set) => isKubeProxy(set.metadata, set.spec?.template.spec));
  return {
    name: CHECK.noProxyDaemonSet,
    node: WHOLE_CLUSTER,
    passed: found.length === 0,
    observed:
      found.length === 0
        ? `none among ${daemonSets.length} DaemonSets`
        : `DaemonSet ${found.map((set) => fullName(set.metadata)).join(", ")} exists; delete it`,
    durationMs: 0,
  };
};

/** One check per node; a kube-proxy Pod that is on no node (yet) fails the whole cluster's. */
export const judgePods = (nodes: readonly string[], pods: readonly V1Pod[]): readonly Check[] => {
  const found = Map.groupBy(
    pods.filter((pod) => isKubeProxy(pod.metadata, pod.spec)),
    (pod) => pod.spec?.nodeName ?? WHOLE_CLUSTER,
  );
  const elsewhere = [...found.keys()].filter((node) => !nodes.includes(node));
  return [...nodes, ...elsewhere].map((node) => {
    const here = found.get(node) ?? [];
    return {
      name: CHECK.noProxyPod,
      node,
      passed: here.length === 0,
      observed:
        here.length === 0
          ? `none among ${pods.filter((pod) => pod.spec?.nodeName === node).length} Pods`
          : `Pod ${here.map((pod) => `${fullName(pod.metadata)} (${pod.status?.phase ?? "unknown phase"})`).join(", ")}`,
      durationMs: 0,
    };
  });
};
