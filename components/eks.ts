// SPDX-License-Identifier: Apache-2.0
// The entry `sansproxy/eks`: clusters of AWS; needs the packages @pulumi/eks and @pulumi/aws.

export * from "./eks-cluster.ts";
export * from "./eks-node-groups.ts";
