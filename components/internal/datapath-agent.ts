// SPDX-License-Identifier: Apache-2.0
// The engine "agent": this package's own datapath, installed from the chart that comes with it.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { chosenValues } from "./agent-values.ts";
import { apiServerRule, withoutApiServer } from "./api-server-values.ts";
import { commonInputs, type DatapathChoice, type DatapathEngine, type DatapathFacts } from "./datapath-engine.ts";
import { agentSettingsRule, combinationProblems, type DatapathCluster, valueAt } from "./datapath-rules.ts";
import type { InputProblem } from "./input-errors.ts";
import { packageRoot, packageVersion } from "./package-root.ts";
import { schemaProblems, type ValuesSchema } from "./values-schema.ts";

const chartPath = join(packageRoot, "agent", "chart");
const defaults = { imageTag: packageVersion };

function readSchema(): ValuesSchema {
  return JSON.parse(readFileSync(join(chartPath, "values.schema.json"), "utf8")) as ValuesSchema;
}

const clusterOf = ({ platform, capabilities, podCidrs }: DatapathFacts): DatapathCluster | undefined =>
  podCidrs === undefined ? undefined : { platform, capabilities, podCidrs };

function combinations({ options, helmValues }: DatapathChoice, cluster: DatapathCluster): InputProblem[] {
  return combinationProblems(chosenValues(cluster, options, helmValues, defaults), cluster).map((problem) => ({
    ...problem,
    propertyPath:
      valueAt(helmValues, problem.propertyPath) === undefined
        ? problem.propertyPath
        : `helmValues.${problem.propertyPath}`,
  }));
}

const modes: Readonly<Record<string, string>> = { eks: "agent", gke: "self-managed" };

/** A managed cluster has to be made for an agent beside its own CNI plugin. */
function madeForRule({ platform, capabilities }: DatapathFacts): InputProblem[] {
  const wrong = (reason: string): InputProblem[] => [{ propertyPath: "engine", reason: `is "agent", and ${reason}` }];
  if (capabilities.fixedDatapath === true) {
    return wrong(
      `this cluster's platform (${platform}) runs its nodes with a datapath of its own and admits no other; leave Datapath out, or create the cluster with nodes of your own.`,
    );
  }
  const { mode } = capabilities;
  if (mode === undefined || modes[platform] === undefined || modes[platform] === mode) return [];
  return wrong(
    `the cluster was made for Cilium in mode "${mode}"; use the engine "cilium", or make the cluster in mode "${modes[platform]}".`,
  );
}

/** The engine "agent". */
export const agentEngine: DatapathEngine = {
  releaseName: "sansproxy",

  problems(choice, facts) {
    const { settings, options, helmValues } = choice;
    const unfit = madeForRule(facts);
    if (unfit.length > 0) return unfit;
    const cluster = clusterOf(facts);
    const schema = readSchema();
    // A rule says more about a place than the schema does.
    const byPlace = new Map(
      [
        ...agentSettingsRule(settings),
        ...apiServerRule("", options),
        ...apiServerRule("helmValues.", helmValues),
        ...schemaProblems(schema, "", withoutApiServer(options), commonInputs),
        ...schemaProblems(schema, "helmValues", withoutApiServer(helmValues)),
        ...(cluster === undefined ? [] : combinations(choice, cluster)),
      ].map((problem) => [problem.propertyPath, problem]),
    );
    return [...byPlace.values()];
  },

  values: ({ options, helmValues }, { platform, capabilities, podCidrs }) =>
    chosenValues({ platform, capabilities, podCidrs }, options, helmValues, defaults),

  chart: () => ({ chart: chartPath }),
};
