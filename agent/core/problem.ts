// SPDX-License-Identifier: Apache-2.0
// What the core reports about one Service that it cannot serve as asked; every other Service is served all the same.

export type ProblemReason =
  | "AddressFamily"
  | "ArenaFull"
  | "BackendsFull"
  | "FrontendConflict"
  | "FrontendsFull"
  | "SelectionsFull"
  | "SourceRangesUnsupported"
  | "TooManyEndpoints"
  | "UnsupportedProtocol";

export interface Problem {
  /** `namespace/name`. */
  readonly service: string;
  readonly reason: ProblemReason;
  /** One sentence: what, why, the remedy. */
  readonly message: string;
}
