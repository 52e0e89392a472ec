// SPDX-License-Identifier: Apache-2.0
// What the core reports about one Service, Pod or node that it cannot serve as asked; all others are served all the same.

export const problemReasons = [
  "AddressFamily",
  "AddressNotAllowed",
  "AffinitiesFull",
  "ArenaFull",
  "BackendsFull",
  "DeviceMissing",
  "FlowsFull",
  "FragmentsFull",
  "FrontendConflict",
  "FrontendsFull",
  "HealthCheckPort",
  "HostPortConflict",
  "LoadBalancerAlgorithm",
  "NetworksFull",
  "NodeAddressesFull",
  "NodePortOutOfRange",
  "SctpFromPod",
  "SelectionsFull",
  "SocketFlowsFull",
  "SocketLbBypass",
  "SourceRangesFull",
  "SourceRangesInvalid",
  "TooManyEndpoints",
  "UnsupportedProtocol",
] as const;

export type ProblemReason = (typeof problemReasons)[number];

/** `Service ns/name` or `Pod ns/name`, as people know them. */
export const titleOf = (name: string): string =>
  name.startsWith("pod/") ? `Pod ${name.slice("pod/".length)}` : `Service ${name}`;

export interface Problem {
  /** `namespace/name`, `pod/namespace/name` when it is about a Pod, or `node/name` when it is about all of a node. */
  readonly service: string;
  readonly reason: ProblemReason;
  /** One sentence: what, why, the remedy. */
  readonly message: string;
}
