// SPDX-License-Identifier: Apache-2.0
// Puts into a cluster the kube-proxy that a cloud gives to those who do not refuse it.
import type { ApiClient } from "./api-client.ts";

const labels = { "k8s-app": "kube-proxy" };

/** The DaemonSet as clouds name it; its image is not to be had here, so its Pods only ask for it. */
export const installKubeProxy = async (client: ApiClient): Promise<void> => {
  const daemonSet = {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: "kube-proxy", labels },
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          hostNetwork: true,
          containers: [{ name: "kube-proxy", image: "registry.k8s.io/kube-proxy:v1.36.3", command: ["kube-proxy"] }],
          tolerations: [{ operator: "Exists" }],
        },
      },
    },
  };
  await client.require([201, 409], "POST", "/apis/apps/v1/namespaces/kube-system/daemonsets", daemonSet);
};
