// SPDX-License-Identifier: Apache-2.0
// The DaemonSet that takes kube-proxy's static Pod from each node of GKE, also from those that an upgrade makes anew.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as kubernetes from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import type { KubernetesCluster } from "../../kubernetes-cluster.ts";
import { anewWithCluster, clusterAnnotation } from "../anew-with-cluster.ts";
import { packageRoot } from "../package-root.ts";

/** It brings `nsenter`; Cilium's own chart uses it for the same kind of work. */
export const defaultNodeInitImage =
  "quay.io/cilium/startup-script:1782916218-36ae25f@sha256:f99e2beda7324e93ba04d6240d9626a6b9ab023d7d56e3b029d3d9c823ce63ef";

/** What the script says in a shell of the node itself. */
export function nodeInitScript(): string {
  return readFileSync(join(packageRoot, "components", "internal", "gke", "node-init.sh"), "utf8");
}

/** Declares the DaemonSet; it is not waited for, because nodes join later. */
export function nodeInit(
  name: string,
  image: string,
  cluster: KubernetesCluster,
  opts: pulumi.CustomResourceOptions,
): kubernetes.apps.v1.DaemonSet {
  const labels = { "app.kubernetes.io/name": "sansproxy-node-init" };
  return new kubernetes.apps.v1.DaemonSet(
    `${name}-node-init`,
    {
      metadata: {
        name: "sansproxy-node-init",
        namespace: "kube-system",
        labels,
        annotations: { "pulumi.com/skipAwait": "true", ...clusterAnnotation(cluster) },
      },
      spec: {
        selector: { matchLabels: labels },
        updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: "100%" } },
        template: {
          metadata: { labels },
          spec: {
            hostPID: true,
            hostNetwork: true,
            priorityClassName: "system-node-critical",
            automountServiceAccountToken: false,
            tolerations: [{ operator: "Exists" }],
            nodeSelector: { "kubernetes.io/os": "linux" },
            terminationGracePeriodSeconds: 1,
            containers: [
              {
                name: "node-init",
                image,
                imagePullPolicy: "IfNotPresent",
                command: ["nsenter", "--target=1", "--mount", "--uts", "--ipc", "--net", "--pid", "--", "sh", "-c"],
                args: [nodeInitScript()],
                securityContext: { privileged: true },
                resources: { requests: { cpu: "5m", memory: "16Mi" } },
              },
            ],
          },
        },
      },
    },
    { ...opts, ...anewWithCluster("metadata") },
  );
}
