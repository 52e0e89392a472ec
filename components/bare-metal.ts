// SPDX-License-Identifier: Apache-2.0
// The entry `sansproxy/bare-metal`: clusters on servers reachable by SSH.

export * from "./bare-metal-cluster.ts";
