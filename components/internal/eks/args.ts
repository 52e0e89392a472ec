// SPDX-License-Identifier: Apache-2.0
// The inputs of EksCluster, as its users write them.

import type * as pulumi from "@pulumi/pulumi";

/** Somebody who may use the cluster. */
export interface EksAccessEntryArgs {
  /** ARN of the IAM role or user. */
  principalArn: pulumi.Input<string>;
  /**
   * What is allowed: `cluster-admin`, `admin`, `edit`, `view` or `admin-view`.
   * @default nothing but what `kubernetesGroups` are bound to
   */
  policy?: string;
  /**
   * Namespaces to which the policy is limited.
   * @default all
   */
  namespaces?: string[];
  /**
   * Groups of Kubernetes' RBAC that the principal is in.
   * @default []
   */
  kubernetesGroups?: string[];
}

/** A ServiceAccount whose pods act as an IAM role. */
export interface EksPodIdentityArgs {
  /** Namespace of the ServiceAccount. */
  namespace: string;
  /** Name of the ServiceAccount. */
  serviceAccount: string;
  /** ARN of the role; it has to trust `pods.eks.amazonaws.com`. */
  roleArn: pulumi.Input<string>;
}

/** Inputs of EksCluster. */
export interface EksClusterArgs {
  /**
   * Name of the cluster in AWS; another name is another cluster.
   * @default the component's name
   */
  clusterName?: string;
  /**
   * Who gives pods their addresses and serves Services: `eni` (Cilium, addresses of the VPC), `chaining` (Cilium behind AWS' VPC CNI),
   * `overlay` (Cilium, addresses of their own), `agent` (this package's datapath behind AWS' VPC CNI).
   * @default "eni"
   */
  mode?: string;
  /**
   * Minor version of Kubernetes.
   * @default "1.35"
   */
  kubernetesVersion?: string;
  /**
   * A VPC that exists; `vpcCidr` and `privateSubnetIds` go with it. When the cluster goes, network interfaces that its nodes left
   * there are deleted: those that no machine has and that carry the cluster's name in the tag of Cilium or of AWS' VPC CNI.
   * @default a VPC of the cluster's own
   */
  vpcId?: pulumi.Input<string>;
  /**
   * Network of the VPC.
   * @default "10.20.0.0/16" for a VPC of the cluster's own
   */
  vpcCidr?: string;
  /** Subnets of the existing VPC for nodes and control plane, in two availability zones at least. */
  privateSubnetIds?: pulumi.Input<pulumi.Input<string>[]>;
  /**
   * Subnets of the existing VPC for load balancers that face the internet.
   * @default none
   */
  publicSubnetIds?: pulumi.Input<pulumi.Input<string>[]>;
  /**
   * Availability zones of the cluster's own VPC, such as `eu-central-1a`.
   * @default the first two that the region has
   */
  availabilityZones?: string[];
  /**
   * A NAT gateway in each zone, so that one zone's loss leaves the others their way out; each costs by the hour.
   * @default false
   */
  natGatewayPerZone?: boolean;
  /**
   * Network of the pods; mode `overlay` only, elsewhere pods have addresses of the VPC.
   * @default "100.64.0.0/16"
   */
  podCidr?: string;
  /**
   * Network of the Services.
   * @default "172.20.0.0/16"
   */
  serviceCidr?: string;
  /**
   * The API server answers inside the VPC.
   * @default true
   */
  endpointPrivateAccess?: boolean;
  /**
   * The API server answers on the internet.
   * @default true
   */
  endpointPublicAccess?: boolean;
  /**
   * Networks from which the public endpoint may be reached.
   * @default all
   */
  publicAccessCidrs?: string[];
  /**
   * Who may use the cluster, besides the identity that makes it.
   * @default []
   */
  accessEntries?: EksAccessEntryArgs[];
  /**
   * ServiceAccounts whose pods act as IAM roles.
   * @default []
   */
  podIdentities?: EksPodIdentityArgs[];
  /**
   * An OpenID Connect provider, for roles that trust ServiceAccounts by it; pod identities need none.
   * @default false
   */
  createOidcProvider?: boolean;
  /**
   * AWS refuses to delete the cluster.
   * @default false
   */
  deletionProtection?: pulumi.Input<boolean>;
  /** ARN of the KMS key that encrypts Secrets in etcd. */
  encryptionKeyArn?: pulumi.Input<string>;
  /**
   * Logs of the control plane that are kept: `api`, `audit`, `authenticator`, `controllerManager`, `scheduler`.
   * @default []
   */
  logTypes?: string[];
  /**
   * `STANDARD`: upgraded when standard support ends; `EXTENDED`: kept for more money.
   * @default AWS' own
   */
  supportType?: string;
  /**
   * Version of the add-on vpc-cni, such as `v1.20.4-eksbuild.2`; modes `chaining` (from v1.11.2 on) and `agent` only.
   * @default AWS' default for the Kubernetes version
   */
  vpcCniVersion?: pulumi.Input<string>;
  /**
   * Partition of AWS in the ARNs of its policies: `aws`, `aws-cn` or `aws-us-gov`.
   * @default "aws"
   */
  awsPartition?: string;
  /** Profile of the AWS configuration that the kubeconfig names; needed when the AWS provider is given explicitly. */
  awsProfile?: pulumi.Input<string>;
  /** Role that the kubeconfig takes on. */
  awsRoleArn?: pulumi.Input<string>;
  /**
   * Tags of everything that is made.
   * @default {}
   */
  tags?: { [key: string]: pulumi.Input<string> };
}

/** Every input, for the search for misspelled ones. */
export const eksClusterInputs: readonly (keyof EksClusterArgs)[] = [
  "clusterName",
  "mode",
  "kubernetesVersion",
  "vpcId",
  "vpcCidr",
  "privateSubnetIds",
  "publicSubnetIds",
  "availabilityZones",
  "natGatewayPerZone",
  "podCidr",
  "serviceCidr",
  "endpointPrivateAccess",
  "endpointPublicAccess",
  "publicAccessCidrs",
  "accessEntries",
  "podIdentities",
  "createOidcProvider",
  "deletionProtection",
  "encryptionKeyArn",
  "logTypes",
  "supportType",
  "vpcCniVersion",
  "awsPartition",
  "awsProfile",
  "awsRoleArn",
  "tags",
];
