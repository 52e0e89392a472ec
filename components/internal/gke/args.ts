// SPDX-License-Identifier: Apache-2.0
// The inputs of GkeCluster, as its users write them.

import type * as pulumi from "@pulumi/pulumi";

/** Inputs of GkeCluster. */
export interface GkeClusterArgs {
  /** Region (`europe-west3`: three control planes) or zone (`europe-west3-a`: one). */
  location: string;
  /**
   * Name of the cluster at Google; another name is another cluster.
   * @default the component's name
   */
  clusterName?: string;
  /**
   * `dataplane-v2`: Google's own datapath, which has no kube-proxy; `self-managed`: Cilium or this package's agent on nodes from
   * which kube-proxy is taken away, which Google does not support. The agent enforces no NetworkPolicy.
   * @default "dataplane-v2"
   */
  mode?: string;
  /**
   * Project.
   * @default the provider's
   */
  project?: string;
  /**
   * Minor version of Kubernetes.
   * @default "1.35"
   */
  kubernetesVersion?: string;
  /**
   * `RAPID`, `REGULAR`, `STABLE` or `EXTENDED`.
   * @default "REGULAR"
   */
  releaseChannel?: string;
  /**
   * A VPC network that exists; `subnetwork` goes with it.
   * @default a network of the cluster's own
   */
  network?: pulumi.Input<string>;
  /** Subnetwork of the existing network; it has the two secondary ranges below. */
  subnetwork?: pulumi.Input<string>;
  /** Name of the existing subnetwork's secondary range for pods; its network is `podCidr`. */
  podRangeName?: pulumi.Input<string>;
  /** Name of the existing subnetwork's secondary range for Services; its network is `serviceCidr`. */
  serviceRangeName?: pulumi.Input<string>;
  /**
   * Network of the nodes, in a network of the cluster's own.
   * @default "10.30.0.0/20"
   */
  nodeCidr?: string;
  /**
   * Network of the pods.
   * @default "10.32.0.0/14"
   */
  podCidr?: string;
  /**
   * Network of the Services.
   * @default "10.36.0.0/20"
   */
  serviceCidr?: string;
  /**
   * Nodes have no address on the internet; a network of the cluster's own then gets a NAT.
   * @default true
   */
  privateNodes?: boolean;
  /**
   * The API server answers inside the network only.
   * @default false
   */
  privateEndpoint?: boolean;
  /**
   * Networks from which the API server may be reached.
   * @default all
   */
  authorizedNetworks?: string[];
  /**
   * Google refuses to delete the cluster.
   * @default false
   */
  deletionProtection?: boolean;
  /**
   * Image with `nsenter` that takes kube-proxy from the nodes; mode `self-managed` only.
   * @default Cilium's startup-script, by digest
   */
  nodeInitImage?: string;
  /**
   * Labels of what is made.
   * @default {}
   */
  labels?: { [key: string]: pulumi.Input<string> };
}

/** Every input, for the search for misspelled ones. */
export const gkeClusterInputs: readonly (keyof GkeClusterArgs)[] = [
  "location",
  "clusterName",
  "mode",
  "project",
  "kubernetesVersion",
  "releaseChannel",
  "network",
  "subnetwork",
  "podRangeName",
  "serviceRangeName",
  "nodeCidr",
  "podCidr",
  "serviceCidr",
  "privateNodes",
  "privateEndpoint",
  "authorizedNetworks",
  "deletionProtection",
  "nodeInitImage",
  "labels",
];
