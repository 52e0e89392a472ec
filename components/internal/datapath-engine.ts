// SPDX-License-Identifier: Apache-2.0
// What the two engines have in common: what was chosen, what is known of the cluster, and what is installed from it.

import * as pulumi from "@pulumi/pulumi";
import type { KubernetesClusterCapabilities } from "../kubernetes-cluster.ts";
import type { Values } from "./datapath-rules.ts";
import type { InputProblem } from "./input-errors.ts";

/** What the user chose, all of it known. */
export interface DatapathChoice {
  /** What is not a chart value: mode, version, source of the chart, kernel, expected load. */
  readonly settings: Values;
  readonly options: Values;
  readonly helmValues: Values;
}

/** What Datapath takes with every engine, beside the chart's values. */
export const commonInputs: readonly string[] = ["cluster", "engine", "helmValues", "timeoutSeconds"];

/** What is known of the cluster; `undefined` is what only the running update will tell. */
export interface DatapathFacts {
  readonly name: string;
  readonly platform: string;
  readonly capabilities: KubernetesClusterCapabilities;
  readonly podCidrs: readonly string[] | undefined;
  readonly serviceCidrs: readonly string[] | undefined;
  readonly apiServerHost: string | undefined;
  readonly apiServerPort: number | undefined;
}

/** The same when the update has told everything that the values are made of. */
export interface KnownFacts extends DatapathFacts {
  readonly podCidrs: readonly string[];
  readonly apiServerPort: number;
}

/** Where a Helm chart is found. */
export interface ChartPlace {
  readonly chart: string;
  readonly version?: string;
  readonly repository?: string;
}

/** One of the things that can serve Services. */
export interface DatapathEngine {
  readonly releaseName: string;
  problems(choice: DatapathChoice, facts: DatapathFacts): InputProblem[];
  /** The chart's values, without the API server's place. */
  values(choice: DatapathChoice, facts: KnownFacts): Values;
  chart(choice: DatapathChoice): ChartPlace;
}

/** Whether something inside is known only while the update runs. */
export function hasOutput(value: unknown): boolean {
  if (pulumi.Output.isInstance(value) || value instanceof Promise) return true;
  return typeof value === "object" && value !== null && Object.values(value).some(hasOutput);
}
