// SPDX-License-Identifier: Apache-2.0
// The inputs of BareMetalCluster, as its users write them.

import type * as pulumi from "@pulumi/pulumi";

/** One server, reachable by SSH. */
export interface BareMetalHostArgs {
  /** Name of the host's Node; its identity for as long as it is in the cluster. */
  name: string;
  /** `control-plane` or `worker`. The first control plane in the list makes the cluster and must stay the first. */
  role: string;
  /** IP address at which Pulumi and the other nodes reach the host. */
  address: pulumi.Input<string>;
  /**
   * The host's IPv6 address, at which the other nodes reach it: needed when the cluster has IPv6 networks, and only then.
   * @default none
   */
  ipv6Address?: pulumi.Input<string>;
  /**
   * User to log in as: root, or one who may use sudo without a password.
   * @default "root"
   */
  user?: pulumi.Input<string>;
  /**
   * Port of the SSH server.
   * @default 22
   */
  port?: pulumi.Input<number>;
  /** The host's public SSH key, such as `ssh-ed25519 AAAAC3...`; another key is refused. */
  hostKey?: pulumi.Input<string>;
  /**
   * Accept whatever key the host shows. Whoever can redirect the traffic can then take the host's place.
   * @default false
   */
  insecureIgnoreHostKey?: boolean;
  /**
   * Reset the host when it leaves the cluster. Set to `false` (and update) before a dead host is removed.
   * @default true
   */
  resetOnRemove?: boolean;
}

/** A host through which the others are reached. */
export interface BastionArgs {
  /** Address or name of the bastion. */
  host: pulumi.Input<string>;
  /**
   * User to log in as.
   * @default "root"
   */
  user?: pulumi.Input<string>;
  /**
   * Port of the SSH server.
   * @default 22
   */
  port?: pulumi.Input<number>;
  /**
   * Private key for the bastion. Secret.
   * @default the cluster's `privateKey`
   */
  privateKey?: pulumi.Input<string>;
  /** The bastion's public SSH key; another key is refused. */
  hostKey?: pulumi.Input<string>;
  /**
   * Accept whatever key the bastion shows.
   * @default false
   */
  insecureIgnoreHostKey?: boolean;
}

/** Where the API server answers, with no Service routing: a load balancer, a virtual address or the first control plane. */
export interface ControlPlaneEndpointArgs {
  /** Address or name. */
  host: pulumi.Input<string>;
  /**
   * Port.
   * @default 6443
   */
  port?: pulumi.Input<number>;
}

/** A Debian repository of kubeadm, kubelet and kubectl: Kubernetes' own layout, `Release.key` beside the flat index. */
export interface PackageRepositoryArgs {
  /**
   * Address of the folder with `Release.key` and the index.
   * @default "https://pkgs.k8s.io/core:/stable:/vMAJOR.MINOR/deb"
   */
  url: string;
  /** Fingerprint of the key that signs it: 40 hexadecimal digits. Another key is refused. */
  keyFingerprint: string;
}

/** Inputs of BareMetalCluster. */
export interface BareMetalClusterArgs {
  /** The servers: Debian or Ubuntu with systemd. A host added later joins; a host removed is drained and reset. */
  hosts: BareMetalHostArgs[];
  /** Private SSH key for all hosts, in OpenSSH or PEM form. Secret. */
  privateKey: pulumi.Input<string>;
  /**
   * A host through which the others are reached.
   * @default none
   */
  bastion?: BastionArgs;
  /**
   * Version of Kubernetes, complete. A running cluster goes to a newer patch version or to the next minor one, host by host.
   * @default "v1.36.3"
   */
  kubernetesVersion?: string;
  /**
   * Networks of the pods: an IPv4 one and, for a cluster of both families, an IPv6 one after it. Each Node gets a /24 of
   * the first and a /64 of the second.
   * @default ["10.244.0.0/16"]
   */
  podCidrs?: pulumi.Input<string[]>;
  /**
   * Networks of the Services, of the same families in the same order as `podCidrs`.
   * @default ["10.96.0.0/12"]
   */
  serviceCidrs?: pulumi.Input<string[]>;
  /**
   * Domain of the cluster's DNS.
   * @default "cluster.local"
   */
  dnsDomain?: string;
  /**
   * Where nodes reach the API server.
   * @default the first control plane's address, port 6443
   */
  controlPlaneEndpoint?: ControlPlaneEndpointArgs;
  /**
   * More names and addresses for the API servers' certificates; a change makes new ones.
   * @default []
   */
  certSans?: string[];
  /**
   * Folder of an air-gapped bundle: programs and images are copied from there and hosts download nothing.
   * @default packages of the distribution and of https://pkgs.k8s.io
   */
  bundlePath?: string;
  /**
   * Where hosts get Kubernetes' packages when there is no bundle: a mirror, or a repository of your own.
   * @default https://pkgs.k8s.io and its key
   */
  packageRepository?: PackageRepositoryArgs;
  /**
   * How long, in seconds, the pods of a host that leaves may take to go elsewhere.
   * @default 120
   */
  drainTimeoutSeconds?: number;
  /**
   * Oldest kernel that is accepted on a host.
   * @default "6.6", the first with tcx
   */
  minimumKernelVersion?: string;
  /**
   * Checks of kubeadm that count as warnings, such as `SystemVerification`.
   * @default []
   */
  ignorePreflightErrors?: string[];
}

/** The names of what each group of inputs has. */
export const bareMetalInputs = {
  cluster: [
    "hosts",
    "privateKey",
    "bastion",
    "kubernetesVersion",
    "podCidrs",
    "serviceCidrs",
    "dnsDomain",
    "controlPlaneEndpoint",
    "certSans",
    "bundlePath",
    "packageRepository",
    "drainTimeoutSeconds",
    "minimumKernelVersion",
    "ignorePreflightErrors",
  ],
  host: ["name", "role", "address", "ipv6Address", "user", "port", "hostKey", "insecureIgnoreHostKey", "resetOnRemove"],
  bastion: ["host", "user", "port", "privateKey", "hostKey", "insecureIgnoreHostKey"],
  controlPlaneEndpoint: ["host", "port"],
  packageRepository: ["url", "keyFingerprint"],
} as const satisfies {
  cluster: readonly (keyof BareMetalClusterArgs)[];
  host: readonly (keyof BareMetalHostArgs)[];
  bastion: readonly (keyof BastionArgs)[];
  controlPlaneEndpoint: readonly (keyof ControlPlaneEndpointArgs)[];
  packageRepository: readonly (keyof PackageRepositoryArgs)[];
};
