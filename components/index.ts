// SPDX-License-Identifier: Apache-2.0
// The package's components.

export * from "./bare-metal-cluster.ts";
export * from "./datapath.ts";
export * from "./kubernetes-cluster.ts";
export * from "./load-balancer-release.ts";
export * from "./verification.ts";
