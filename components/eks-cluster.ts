// SPDX-License-Identifier: Apache-2.0
// A control plane of EKS without kube-proxy and without nodes: these join after the datapath, by EksNodeGroups.

import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { addOn } from "./internal/eks/add-ons.ts";
import type { EksClusterArgs } from "./internal/eks/args.ts";
import { apiServerHost, clusterIdentifier, controlPlane } from "./internal/eks/control-plane.ts";
import { type CheckedEksInputs, checkEksInputs } from "./internal/eks/inputs.ts";
import { nodeRole } from "./internal/eks/node-role.ts";
import { type ClusterVpc, existingVpc, ownVpc } from "./internal/eks/vpc.ts";
import type { KubernetesCluster } from "./kubernetes-cluster.ts";

export type { EksAccessEntryArgs, EksClusterArgs, EksPodIdentityArgs } from "./internal/eks/args.ts";

/** A Kubernetes control plane of AWS that never runs kube-proxy. */
export class EksCluster extends pulumi.ComponentResource {
  /** The cluster as data, for Datapath and EksNodeGroups. */
  readonly cluster: KubernetesCluster;
  /** Administrator's kubeconfig; it calls the AWS CLI for a token. Secret. */
  readonly kubeconfig: pulumi.Output<string>;
  /** Name of the cluster in AWS, known to whoever waits for the cluster. */
  readonly clusterName: pulumi.Output<string>;
  /** ARN of the nodes' role, known when its policies are attached. */
  readonly nodeRoleArn: pulumi.Output<string>;
  /** Subnets of the nodes. */
  readonly nodeSubnetIds: pulumi.Output<string[]>;
  /** The VPC. */
  readonly vpcId: pulumi.Output<string>;
  /** ARN of the OpenID Connect provider; empty without one. */
  readonly oidcProviderArn: pulumi.Output<string>;

  constructor(name: string, args: EksClusterArgs, opts?: pulumi.ComponentResourceOptions) {
    const inputs = checkEksInputs(`EksCluster "${name}"`, name, args);
    super("sansproxy:index:EksCluster", name, {}, opts);

    const { mode, clusterName } = inputs;
    const tags = args.tags ?? {};
    const vpc = clusterVpc(name, args, inputs, this);
    const { role, attached } = nodeRole(name, mode, inputs.partition, tags, this);
    const cluster = controlPlane(name, args, inputs, vpc, this);
    const host = apiServerHost(cluster);
    const within = { parent: this, dependsOn: [cluster], deletedWith: cluster };

    // By this output everything in the cluster depends on the control plane itself, and goes before it when it is replaced.
    const identifier = clusterIdentifier(clusterName, cluster);
    this.clusterName = identifier.apply(() => clusterName);
    const addOns: pulumi.Resource[] = [
      addOn(name, { addonName: "eks-pod-identity-agent", clusterName: this.clusterName, tags }, within),
    ];
    if (mode.vpcCni) {
      // Where nothing serves Services yet, the plugin has to know the API server's own address.
      const configurationValues = host.apply((name) =>
        JSON.stringify({ env: { CLUSTER_ENDPOINT: `https://${name}` } }),
      );
      addOns.push(
        addOn(
          name,
          {
            addonName: "vpc-cni",
            clusterName: this.clusterName,
            addonVersion: args.vpcCniVersion,
            configurationValues,
            tags,
          },
          within,
        ),
      );
    }
    for (const { namespace, serviceAccount, roleArn } of args.podIdentities ?? []) {
      new aws.eks.PodIdentityAssociation(
        `${name}-${namespace}-${serviceAccount}`,
        { clusterName: this.clusterName, namespace, serviceAccount, roleArn, tags },
        within,
      );
    }

    this.kubeconfig = pulumi.secret(cluster.kubeconfigJson);
    this.nodeRoleArn = ready(role.arn, [...attached, ...addOns]);
    this.nodeSubnetIds = pulumi.output(vpc.privateSubnetIds);
    this.vpcId = pulumi.output(vpc.vpcId);
    this.oidcProviderArn = cluster.oidcProviderArn;
    this.cluster = {
      name: clusterName,
      identifier,
      platform: "eks",
      kubernetesVersion: `v${inputs.kubernetesVersion}`,
      kubeconfig: this.kubeconfig,
      apiServerHost: host,
      // Known before the cluster is: so are the values of the datapath, in a preview.
      apiServerPort: 443,
      podCidrs: [inputs.podCidr],
      serviceCidrs: [inputs.serviceCidr],
      nodes: [],
      capabilities: { podCidrPerNode: false, nativeRouting: false, ownsCni: mode.vpcCni, mode: inputs.modeName },
    };
    this.registerOutputs({
      kubeconfig: this.kubeconfig,
      clusterName: this.clusterName,
      nodeRoleArn: this.nodeRoleArn,
      nodeSubnetIds: this.nodeSubnetIds,
      vpcId: this.vpcId,
      oidcProviderArn: this.oidcProviderArn,
    });
  }
}

function clusterVpc(
  name: string,
  args: EksClusterArgs,
  { vpcCidr: cidr, privateSubnetIds, publicSubnetIds, clusterName, mode }: CheckedEksInputs,
  parent: pulumi.Resource,
): ClusterVpc {
  const { vpcId, availabilityZones: zones, natGatewayPerZone = false, tags = {}, awsProfile: profile } = args;
  if (vpcId !== undefined) {
    return existingVpc(name, { vpcId, privateSubnetIds, publicSubnetIds, clusterName, mode, profile }, parent);
  }
  return ownVpc(name, { cidr, zones, natGatewayPerZone, tags, profile }, parent);
}

/** The value, for which one has to wait until the resources are there. */
function ready(value: pulumi.Output<string>, resources: readonly pulumi.Resource[]): pulumi.Output<string> {
  return pulumi.all([value, pulumi.all(resources.map(({ urn }) => urn))]).apply(([known]) => known);
}
