// SPDX-License-Identifier: Apache-2.0
// Reads the administrator's kubeconfig as kubeadm wrote it: points it at the endpoint, and takes the CA's pin from it.

import { createHash, X509Certificate } from "node:crypto";
import { parse, stringify } from "yaml";
import { authority } from "./kubeadm-config.ts";

interface Kubeconfig {
  clusters: { name: string; cluster: { server: string; "certificate-authority-data": string } }[];
}

function parseKubeconfig(text: string): Kubeconfig {
  const kubeconfig = parse(text) as Partial<Kubeconfig> | null;
  if (!Array.isArray(kubeconfig?.clusters) || kubeconfig.clusters[0]?.cluster === undefined) {
    throw new Error(
      "What the control plane gave as /etc/kubernetes/admin.conf is no kubeconfig; run the update with --refresh, and look at that file on the host.",
    );
  }
  return kubeconfig as Kubeconfig;
}

/** The kubeconfig with the API server's address replaced by the cluster's endpoint. */
export function pointKubeconfigAt(text: string, host: string, port: number): string {
  const kubeconfig = parseKubeconfig(text);
  for (const { cluster } of kubeconfig.clusters) cluster.server = `https://${authority(host, port)}`;
  return stringify(kubeconfig, { lineWidth: 0 });
}

/** The pin of the cluster's CA as kubeadm wants it: the digest of its public key. */
export function caCertHash(text: string): string {
  const data = parseKubeconfig(text).clusters[0]?.cluster["certificate-authority-data"] ?? "";
  const key = new X509Certificate(Buffer.from(data, "base64")).publicKey.export({ type: "spki", format: "der" });
  return `sha256:${createHash("sha256").update(key).digest("hex")}`;
}
