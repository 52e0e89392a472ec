// SPDX-License-Identifier: Apache-2.0
// Installs what serves Services in a cluster that has no kube-proxy, before its workers have joined.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { agentValues, chosenValues } from "./internal/agent-values.ts";
import type { DatapathOptions } from "./internal/datapath-options.ts";
import {
  combinationProblems,
  type DatapathCluster,
  derivedValuesRule,
  engineRule,
  type Values,
  valueAt,
} from "./internal/datapath-rules.ts";
import { type InputProblem, refuseProblems } from "./internal/input-errors.ts";
import { packageRoot, packageVersion } from "./internal/package-root.ts";
import { schemaProblems, type ValuesSchema } from "./internal/values-schema.ts";
import type { KubernetesCluster } from "./kubernetes-cluster.ts";

export type {
  BpfOptions,
  CniOptions,
  DatapathOptions,
  ImageOptions,
  IpamOptions,
  NodePortOptions,
  SocketLbOptions,
} from "./internal/datapath-options.ts";

/** Inputs of Datapath. */
export interface DatapathArgs extends DatapathOptions {
  /** The cluster that gets the datapath. */
  cluster: KubernetesCluster;
  /** What serves Services: `agent`, this package's own datapath. */
  engine: string;
  /** Values for the chart, merged last, over the options above. */
  // biome-ignore lint/suspicious/noExplicitAny: chart values are a tree of anything, checked against the chart's schema.
  helmValues?: pulumi.Input<{ [key: string]: any }>;
  /**
   * How long, in seconds, the installation of the chart's objects may take.
   * @default 900
   */
  timeoutSeconds?: pulumi.Input<number>;
}

const chartPath = join(packageRoot, "agent", "chart");

/** The part of the cluster that serves Services. */
export class Datapath extends pulumi.ComponentResource {
  /** The values that the chart was installed with. */
  readonly effectiveValues: pulumi.Output<{ [key: string]: unknown }>;
  /** Name of the Helm release; known when its objects are in the cluster, not when its agents are ready. */
  readonly releaseName: pulumi.Output<string>;

  constructor(name: string, args: DatapathArgs, opts?: pulumi.ComponentResourceOptions) {
    const { cluster, engine, helmValues, timeoutSeconds, ...options } = args;
    const what = `Datapath "${name}"`;
    const schema = readSchema();
    const factsOf = (podCidrs: readonly string[]): DatapathCluster => ({
      platform: cluster.platform,
      podCidrs,
      capabilities: cluster.capabilities,
    });
    const check = (podCidrs: readonly string[], chosen: Values, typed: Values): void =>
      refuseProblems(what, problemsOf(engine, factsOf(podCidrs), chosen, typed, schema));
    if (!hasOutput(options) && !hasOutput(helmValues) && !hasOutput(cluster.podCidrs)) {
      check(cluster.podCidrs as string[], options as Values, (helmValues ?? {}) as Values);
    } else {
      refuseProblems(what, engineRule(engine));
    }
    super("sansproxy:index:Datapath", name, {}, opts);

    const provider = new kubernetes.Provider(
      `${name}-kubernetes`,
      { kubeconfig: pulumi.secret(cluster.kubeconfig), clusterIdentifier: cluster.name, deleteUnreachable: true },
      { parent: this },
    );
    this.effectiveValues = pulumi
      .all([
        cluster.apiServerHost,
        cluster.apiServerPort,
        cluster.podCidrs,
        pulumi.output(options) as pulumi.Output<unknown>,
        pulumi.output(helmValues ?? {}) as pulumi.Output<unknown>,
      ])
      .apply(([host, port, podCidrs, known, typed]) => {
        check(podCidrs, known as Values, typed as Values);
        const chosen = chosenValues(factsOf(podCidrs), known as Values, typed as Values, { imageTag: packageVersion });
        return agentValues(chosen, { host, port });
      });
    // Waiting for Pods here would wait for nodes that join later: readiness is Verification's to judge.
    const release = new kubernetes.helm.v3.Release(
      `${name}-release`,
      {
        name: "sansproxy",
        namespace: "kube-system",
        chart: chartPath,
        values: this.effectiveValues,
        skipAwait: true,
        atomic: false,
        timeout: timeoutSeconds ?? 900,
      },
      { parent: this, provider, ...(opts?.deletedWith === undefined ? {} : { deletedWith: opts.deletedWith }) },
    );
    this.releaseName = release.name;
    this.registerOutputs({ effectiveValues: this.effectiveValues, releaseName: this.releaseName });
  }
}

function readSchema(): ValuesSchema {
  return JSON.parse(readFileSync(join(chartPath, "values.schema.json"), "utf8")) as ValuesSchema;
}

/** What is wrong with the options and Helm values, once all of them are known: one problem for each place. */
function problemsOf(
  engine: string,
  cluster: DatapathCluster,
  options: Values,
  helmValues: Values,
  schema: ValuesSchema,
): InputProblem[] {
  const chosen = chosenValues(cluster, options, helmValues, { imageTag: packageVersion });
  const combinations = combinationProblems(chosen, cluster).map((problem) => ({
    ...problem,
    propertyPath:
      valueAt(helmValues, problem.propertyPath) === undefined
        ? problem.propertyPath
        : `helmValues.${problem.propertyPath}`,
  }));
  // A rule says more about a place than the schema does.
  const byPlace = new Map(
    [
      ...engineRule(engine),
      ...derivedValuesRule("", options),
      ...derivedValuesRule("helmValues.", helmValues),
      ...schemaProblems(schema, "", withoutDerived(options)),
      ...schemaProblems(schema, "helmValues", withoutDerived(helmValues)),
      ...combinations,
    ].map((problem) => [problem.propertyPath, problem]),
  );
  return [...byPlace.values()];
}

/** The derived values have a problem of their own, which says more than their type would. */
function withoutDerived(values: Values): Values {
  const { k8sServiceHost: _host, k8sServicePort: _port, ...rest } = values;
  return rest;
}

function hasOutput(value: unknown): boolean {
  if (pulumi.Output.isInstance(value) || value instanceof Promise) return true;
  return typeof value === "object" && value !== null && Object.values(value).some(hasOutput);
}
