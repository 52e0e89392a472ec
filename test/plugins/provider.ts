// SPDX-License-Identifier: Apache-2.0
// What a stand-in resource provider has to answer; serve.ts carries it over the engine's protocol.
import type { Change } from "./difference.ts";
import type { Severity } from "./engine-log.ts";
import type { Dict } from "./values.ts";

/** One request about one resource. */
export interface Subject {
  readonly urn: string;
  readonly type: string;
  readonly name: string;
  /** Aborted when the engine cancels the update: commands that run have to end. */
  readonly signal: AbortSignal;
  /** 0: no time limit given by the program. */
  readonly timeoutSeconds: number;
  log(severity: Severity, message: string, options?: { readonly ephemeral?: boolean }): void;
}

export interface CheckFailure {
  readonly property: string;
  readonly reason: string;
}

export interface Checked {
  readonly inputs: Dict;
  readonly failures: readonly CheckFailure[];
}

export interface Differs {
  /** Path to change; empty: nothing differs. */
  readonly changes: ReadonlyMap<string, Change>;
  /** The paths among `changes` which need a replacement. */
  readonly replaces: readonly string[];
  readonly deleteBeforeReplace?: boolean;
}

export interface Created {
  readonly id: string;
  readonly outputs: Dict;
}

export interface Found extends Created {
  readonly inputs: Dict;
}

/** The resource exists, but is not as it should be: the engine keeps its state and reports the reasons. */
export class InitializationFailed extends Error {
  readonly created: Found;
  readonly reasons: readonly string[];
  constructor(created: Found, reasons: readonly string[]) {
    super(reasons.join("; "));
    this.created = created;
    this.reasons = reasons;
  }
}

export interface Provider {
  readonly name: string;
  /** The version of the plugin it stands in for. */
  readonly version: string;
  checkConfiguration?(news: Dict): Checked;
  diffConfiguration?(olds: Dict, news: Dict): Differs;
  configure?(configuration: Dict): Promise<void>;
  check(subject: Subject, olds: Dict, news: Dict, seed: Uint8Array): Promise<Checked>;
  diff(subject: Subject, id: string, oldInputs: Dict, oldOutputs: Dict, news: Dict): Promise<Differs>;
  create(subject: Subject, inputs: Dict, preview: boolean): Promise<Created>;
  read(subject: Subject, id: string, inputs: Dict, outputs: Dict): Promise<Found | undefined>;
  update(subject: Subject, id: string, oldInputs: Dict, oldOutputs: Dict, news: Dict, preview: boolean): Promise<Dict>;
  delete(subject: Subject, id: string, inputs: Dict, outputs: Dict): Promise<void>;
  invoke?(token: string, args: Dict, signal: AbortSignal): Promise<Dict>;
  /** Releases what the provider holds (files with credentials, connections). */
  close?(): Promise<void>;
}
