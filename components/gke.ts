// SPDX-License-Identifier: Apache-2.0
// The entry `sansproxy/gke`: clusters of Google's; needs the package @pulumi/gcp.

export * from "./gke-cluster.ts";
export * from "./gke-node-pools.ts";
