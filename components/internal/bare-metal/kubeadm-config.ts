// SPDX-License-Identifier: Apache-2.0
// Writes kubeadm's configuration (v1beta4): a cluster that is born without kube-proxy and is not given one by an upgrade.

import { stringify } from "yaml";

const apiVersion = "kubeadm.k8s.io/v1beta4";
const criSocket = "unix:///run/containerd/containerd.sock";
const withoutKubeProxy = ["addon/kube-proxy"];

/** A busy machine can need more than kubeadm's own minute. */
const timeouts = {
  controlPlaneComponentHealthCheck: "5m0s",
  discovery: "10m0s",
  etcdAPICall: "4m0s",
  kubeletHealthCheck: "5m0s",
  kubernetesAPICall: "4m0s",
  tlsBootstrap: "5m0s",
  upgradeManifests: "5m0s",
};

/** The cluster as kubeadm has to know it. */
export interface KubeadmCluster {
  readonly name: string;
  readonly kubernetesVersion: string;
  readonly endpointHost: string;
  readonly endpointPort: number;
  readonly podCidrs: readonly string[];
  readonly serviceCidrs: readonly string[];
  readonly dnsDomain: string;
  readonly certSans: readonly string[];
  /** Images came with a bundle and cannot be pulled again. */
  readonly keepImages: boolean;
}

/** A node as kubeadm has to know it. */
export interface KubeadmNode {
  readonly name: string;
  readonly address: string;
  /** Empty where the cluster has one family of addresses. */
  readonly ipv6Address: string;
  readonly role: string;
  readonly ignorePreflightErrors: readonly string[];
}

/** `host:port`, with brackets around an IPv6 address. */
export function authority(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function documents(...objects: readonly object[]): string {
  return objects.map((object) => stringify(object, { lineWidth: 0, aliasDuplicateObjects: false })).join("---\n");
}

function nodeRegistration(node: KubeadmNode): object {
  return {
    name: node.name,
    criSocket,
    imagePullPolicy: "IfNotPresent",
    kubeletExtraArgs: [
      { name: "node-ip", value: node.ipv6Address === "" ? node.address : `${node.address},${node.ipv6Address}` },
    ],
    ...(node.ignorePreflightErrors.length === 0 ? {} : { ignorePreflightErrors: [...node.ignorePreflightErrors] }),
  };
}

function clusterConfiguration(cluster: KubeadmCluster): object {
  return {
    apiVersion,
    kind: "ClusterConfiguration",
    clusterName: cluster.name,
    kubernetesVersion: cluster.kubernetesVersion,
    controlPlaneEndpoint: authority(cluster.endpointHost, cluster.endpointPort),
    networking: {
      podSubnet: cluster.podCidrs.join(","),
      serviceSubnet: cluster.serviceCidrs.join(","),
      dnsDomain: cluster.dnsDomain,
    },
    apiServer: { certSANs: [...new Set([cluster.endpointHost, ...cluster.certSans])] },
    proxy: { disabled: true },
  };
}

/** What `kubeadm init` reads. */
export function initConfiguration(cluster: KubeadmCluster, node: KubeadmNode, bindPort: number): string {
  return documents(
    {
      apiVersion,
      kind: "InitConfiguration",
      localAPIEndpoint: { advertiseAddress: node.address, bindPort },
      nodeRegistration: nodeRegistration(node),
      skipPhases: withoutKubeProxy,
      timeouts,
    },
    clusterConfiguration(cluster),
    {
      apiVersion: "kubelet.config.k8s.io/v1beta1",
      kind: "KubeletConfiguration",
      // The kubelet must not throw away images to make room when there is nowhere to get them again.
      ...(cluster.keepImages ? { imageGCHighThresholdPercent: 100 } : {}),
    },
  );
}

/** What every later `kubeadm upgrade` reads. */
export function upgradeConfiguration(ignorePreflightErrors: readonly string[]): string {
  const ignored = ignorePreflightErrors.length === 0 ? {} : { ignorePreflightErrors: [...ignorePreflightErrors] };
  return documents({
    apiVersion,
    kind: "UpgradeConfiguration",
    apply: { skipPhases: withoutKubeProxy, ...ignored },
    node: { skipPhases: withoutKubeProxy, ...ignored },
    ...(ignorePreflightErrors.length === 0 ? {} : { plan: ignored }),
    timeouts,
  });
}

/** What the control plane reads to offer its certificates, encrypted with `certificateKey`, to another one. */
export function uploadCertsConfiguration(cluster: KubeadmCluster, certificateKey: string): string {
  return documents({ apiVersion, kind: "InitConfiguration", certificateKey }, clusterConfiguration(cluster));
}

/** What `kubeadm join` reads; secret, for it holds the token. */
export function joinConfiguration(
  cluster: KubeadmCluster,
  node: KubeadmNode,
  bindPort: number,
  credentials: { readonly token: string; readonly certificateKey: string; readonly caCertHash: string },
): string {
  return documents({
    apiVersion,
    kind: "JoinConfiguration",
    discovery: {
      bootstrapToken: {
        apiServerEndpoint: authority(cluster.endpointHost, cluster.endpointPort),
        token: credentials.token,
        caCertHashes: [credentials.caCertHash],
      },
    },
    ...(node.role === "control-plane"
      ? {
          controlPlane: {
            certificateKey: credentials.certificateKey,
            localAPIEndpoint: { advertiseAddress: node.address, bindPort },
          },
        }
      : {}),
    nodeRegistration: nodeRegistration(node),
    timeouts,
  });
}
