// SPDX-License-Identifier: Apache-2.0
// The kube-proxy that a cloud gives to those who do not refuse it: a DaemonSet, or a static Pod that nodes are born with.
import { stringify } from "yaml";
import type { ApiClient } from "./api-client.ts";
import { type Machines, machineBundle } from "./machines.ts";

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

const folder = "/var/lib/kube-proxy";

/** A namespace cannot set the kernel's own limits of connection tracking. */
const untouchedConntrack = [
  ...["max-per-core", "min", "tcp-timeout-established", "tcp-timeout-close-wait"].map(
    (name) => `--conntrack-${name}=0`,
  ),
];

/** As GKE's: the real program, in the node's own network, with an image that brings iptables. */
const staticPod = (node: string, image: string): object => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "kube-proxy", namespace: "kube-system", labels: { component: "kube-proxy", tier: "node" } },
  spec: {
    hostNetwork: true,
    priorityClassName: "system-node-critical",
    tolerations: [{ operator: "Exists" }],
    terminationGracePeriodSeconds: 2,
    containers: [
      {
        name: "kube-proxy",
        image,
        command: [
          `${folder}/kube-proxy`,
          `--kubeconfig=${folder}/kubeconfig`,
          `--hostname-override=${node}`,
          "--proxy-mode=iptables",
          ...untouchedConntrack,
        ],
        securityContext: { privileged: true },
        volumeMounts: [{ name: "own", mountPath: folder, readOnly: true }],
      },
    ],
    volumes: [{ name: "own", hostPath: { path: folder, type: "Directory" } }],
  },
});

/** Before the node joins: its kubelet then starts kube-proxy as the first of its Pods. */
export const putKubeProxy = async (machines: Machines, node: string, controlPlane: string): Promise<void> => {
  const { kubeProxy, bundle } = machines.settings;
  const user = "kubeadm kubeconfig user --client-name=system:kube-proxy --config=/etc/kubernetes/init.yaml";
  const kubeconfig = await machines.run(controlPlane, `${user} 2>/dev/null`);
  await machines.place(node, kubeProxy, `${folder}/kube-proxy`);
  await machines.write(node, `${folder}/kubeconfig`, kubeconfig);
  const manifest = stringify(staticPod(node, machineBundle(bundle).agentImage));
  await machines.write(node, "/etc/kubernetes/manifests/kube-proxy.manifest", manifest);
};
