// SPDX-License-Identifier: Apache-2.0
// What the core reports about one Service that it cannot serve as asked; every other Service is served all the same.

export type ProblemReason =
  | "AddressFamily"
  | "AddressNotAllowed"
  | "ArenaFull"
  | "BackendsFull"
  | "FrontendConflict"
  | "FrontendsFull"
  | "HealthCheckPort"
  | "HostPortConflict"
  | "LoadBalancerAlgorithm"
  | "SelectionsFull"
  | "SocketLbBypass"
  | "SourceRangesFull"
  | "SourceRangesInvalid"
  | "TooManyEndpoints"
  | "UnsupportedProtocol";

/** `Service ns/name` or `Pod ns/name`, as people know them. */
export const titleOf = (name: string): string =>
  name.startsWith("pod/") ? `Pod ${name.slice("pod/".length)}` : `Service ${name}`;

export interface Problem {
  /** `namespace/name`, or `pod/namespace/name` when it is about a Pod's host ports. */
  readonly service: string;
  readonly reason: ProblemReason;
  /** One sentence: what, why, the remedy. */
  readonly message: string;
}
