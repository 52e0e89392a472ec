// SPDX-License-Identifier: Apache-2.0
// A control plane of GKE for nodes without kube-proxy; these join by GkeNodePools, after the datapath where it is not Google's.

import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { GkeClusterArgs } from "./internal/gke/args.ts";
import { gkeControlPlane } from "./internal/gke/control-plane.ts";
import { clusterIdentifier } from "./internal/gke/incarnation.ts";
import { checkGkeInputs } from "./internal/gke/inputs.ts";
import { gkeKubeconfig } from "./internal/gke/kubeconfig.ts";
import { type ClusterNetwork, ownNetwork } from "./internal/gke/network.ts";
import { defaultNodeInitImage, nodeInit } from "./internal/gke/node-init.ts";
import type { KubernetesCluster } from "./kubernetes-cluster.ts";

export type { GkeClusterArgs } from "./internal/gke/args.ts";

/** A Kubernetes control plane of Google's, whose nodes serve Services without kube-proxy. */
export class GkeCluster extends pulumi.ComponentResource {
  /** The cluster as data, for Datapath and GkeNodePools. */
  readonly cluster: KubernetesCluster;
  /** Administrator's kubeconfig; it calls gke-gcloud-auth-plugin for a token. Secret. */
  readonly kubeconfig: pulumi.Output<string>;
  /** Name of the cluster at Google, known to whoever waits for the cluster. */
  readonly clusterName: pulumi.Output<string>;
  /** Region or zone of the cluster. */
  readonly location: pulumi.Output<string>;

  constructor(name: string, args: GkeClusterArgs, opts?: pulumi.ComponentResourceOptions) {
    const inputs = checkGkeInputs(`GkeCluster "${name}"`, name, args);
    super("sansproxy:index:GkeCluster", name, {}, opts);

    const network = existingNetwork(args) ?? ownNetwork(name, args, inputs, this);
    const cluster = gkeControlPlane(name, args, inputs, network, this);
    const { endpoint, masterAuth, privateClusterConfig } = cluster;

    this.clusterName = cluster.name;
    this.location = pulumi.output(args.location);
    this.kubeconfig = pulumi.secret(
      pulumi
        .all([endpoint, masterAuth.clusterCaCertificate])
        .apply(([host, certificate]) => gkeKubeconfig(inputs.clusterName, host, certificate)),
    );
    // Nodes without an address on the internet reach the API server inside the network only.
    const apiServerHost = pulumi
      .all([endpoint, privateClusterConfig])
      .apply(([host, config]) => (inputs.privateNodes && config?.privateEndpoint ? config.privateEndpoint : host));
    const identifier = clusterIdentifier(name, inputs.clusterName, cluster, this);
    this.cluster = {
      name: inputs.clusterName,
      identifier,
      platform: "gke",
      kubernetesVersion: `v${inputs.kubernetesVersion}`,
      kubeconfig: this.kubeconfig,
      apiServerHost,
      apiServerPort: 443,
      podCidrs: [inputs.podCidr],
      serviceCidrs: [inputs.serviceCidr],
      nodes: [],
      capabilities: {
        podCidrPerNode: true,
        nativeRouting: false,
        ownsCni: true,
        fixedDatapath: !inputs.selfManaged,
        mode: inputs.selfManaged ? "self-managed" : "dataplane-v2",
      },
    };
    if (inputs.selfManaged) {
      const provider = new kubernetes.Provider(
        `${name}-kubernetes`,
        { kubeconfig: this.kubeconfig, clusterIdentifier: inputs.clusterName, deleteUnreachable: true },
        { parent: this },
      );
      const within = { parent: this, provider, deletedWith: cluster };
      nodeInit(name, args.nodeInitImage ?? defaultNodeInitImage, this.cluster, within);
    }
    this.registerOutputs({ kubeconfig: this.kubeconfig, clusterName: this.clusterName, location: this.location });
  }
}

function existingNetwork(args: GkeClusterArgs): ClusterNetwork | undefined {
  const { network, subnetwork = "", podRangeName = "", serviceRangeName = "" } = args;
  return network === undefined ? undefined : { network, subnetwork, podRangeName, serviceRangeName, foundations: [] };
}
