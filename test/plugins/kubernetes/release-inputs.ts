// SPDX-License-Identifier: Apache-2.0
// Knows the inputs of `helm.sh/v3:Release` and turns them into helm's arguments.
import { readFileSync } from "node:fs";
import type { CheckFailure } from "../provider.ts";
import { type Asset, type Dict, isDict, revealDict, Secret, Unknown, type Value } from "../values.ts";

const booleans = [
  ...["allowNullValues", "atomic", "cleanupOnFail", "createNamespace", "dependencyUpdate", "devel", "disableCRDHooks"],
  ...["disableOpenapiValidation", "disableWebhooks", "forceUpdate", "lint", "recreatePods", "renderSubchartNotes"],
  ...["replace", "resetValues", "reuseValues", "skipAwait", "skipCrds", "takeOwnership", "verify", "waitForJobs"],
];
const strings = ["chart", "compat", "description", "keyring", "name", "namespace", "postrender", "version"];
const numbers = ["maxHistory", "timeout"];
const objects = ["values", "repositoryOpts", "manifest", "resourceNames"];

const kindOf = (name: string): string | undefined => {
  if (booleans.includes(name)) return "a boolean";
  if (strings.includes(name) || name === "checksum") return "a string";
  if (numbers.includes(name)) return "a number";
  if (objects.includes(name)) return "an object";
  return name === "valueYamlFiles" ? "a list" : undefined;
};

const kindOfValue = (value: Value): string => {
  if (Array.isArray(value)) return "a list";
  return isDict(value) ? "an object" : `a ${typeof value}`;
};

export const checkReleaseInputs = (news: Dict): CheckFailure[] => {
  const failures: CheckFailure[] = [];
  const refuse = (property: string, reason: string): void => void failures.push({ property, reason });
  for (const [name, given] of Object.entries(news)) {
    const value = given instanceof Secret ? given.value : given;
    const kind = kindOf(name);
    if (kind === undefined) refuse(name, "is not an input of a Release: remove it");
    else if (!(value instanceof Unknown) && kindOfValue(value) !== kind) refuse(name, `must be ${kind}`);
  }
  if (news["chart"] === undefined) refuse("chart", "is required, but was not given");
  const unsupported = "is not supported by the stand-in for the kubernetes plugin: install the official plugin for it";
  const plain = revealDict(news);
  for (const name of ["allowNullValues", "recreatePods"]) if (plain[name] === true) refuse(name, unsupported);
  if (isDict(plain["repositoryOpts"] ?? null) && "password" in (plain["repositoryOpts"] as Dict)) {
    refuse("repositoryOpts.password", unsupported);
  }
  return failures;
};

/** A Release's inputs, all of them known and plain. */
export interface Release {
  readonly atomic?: boolean;
  readonly chart: string;
  readonly cleanupOnFail?: boolean;
  readonly createNamespace?: boolean;
  readonly dependencyUpdate?: boolean;
  readonly description?: string;
  readonly devel?: boolean;
  readonly disableOpenapiValidation?: boolean;
  readonly disableWebhooks?: boolean;
  readonly forceUpdate?: boolean;
  readonly keyring?: string;
  readonly lint?: boolean;
  readonly maxHistory?: number;
  readonly name: string;
  readonly namespace: string;
  readonly postrender?: string;
  readonly renderSubchartNotes?: boolean;
  readonly replace?: boolean;
  readonly repositoryOpts?: Readonly<Record<string, string>>;
  readonly resetValues?: boolean;
  readonly reuseValues?: boolean;
  readonly skipAwait?: boolean;
  readonly skipCrds?: boolean;
  readonly takeOwnership?: boolean;
  readonly timeout?: number;
  readonly valueYamlFiles?: readonly Asset[];
  readonly values?: Readonly<Record<string, unknown>>;
  readonly verify?: boolean;
  readonly version?: string;
  readonly waitForJobs?: boolean;
}

export const asRelease = (inputs: Dict): Release => revealDict(inputs) as unknown as Release;

/** The texts of the values files, later ones win: `valueYamlFiles` in their order, then `values`. */
export const valuesTexts = ({ valueYamlFiles = [], values }: Release): string[] => [
  ...valueYamlFiles.map(({ fields }) => fields.text ?? readFileSync(fields.path ?? "", "utf8")),
  ...(values === undefined ? [] : [JSON.stringify(values)]),
];

const flags = (...pairs: readonly [string, boolean | string | number | undefined][]): string[] =>
  pairs.flatMap(([name, value]) => {
    if (value === undefined || value === false || value === "") return [];
    return value === true ? [`--${name}`] : [`--${name}=${value}`];
  });

/** Where the chart comes from. */
export const chartArguments = (release: Release): string[] => [
  release.name,
  release.chart,
  ...flags(
    ["namespace", release.namespace],
    ["version", release.version],
    ["devel", release.devel],
    ["dependency-update", release.dependencyUpdate],
    ["verify", release.verify],
    ["keyring", release.keyring],
    ["repo", release.repositoryOpts?.["repo"]],
    ["username", release.repositoryOpts?.["username"]],
    ["ca-file", release.repositoryOpts?.["caFile"]],
    ["cert-file", release.repositoryOpts?.["certFile"]],
    ["key-file", release.repositoryOpts?.["keyFile"]],
    ["post-renderer", release.postrender],
  ),
];

const deploymentArguments = (release: Release): string[] => {
  const wait = release.skipAwait !== true;
  return flags(
    ["atomic", release.atomic],
    ["wait", wait],
    ["wait-for-jobs", wait && release.waitForJobs],
    ["timeout", release.timeout === undefined ? undefined : `${release.timeout}s`],
    ["description", release.description],
    ["disable-openapi-validation", release.disableOpenapiValidation],
    ["no-hooks", release.disableWebhooks],
    ["render-subchart-notes", release.renderSubchartNotes],
    ["skip-crds", release.skipCrds],
    ["take-ownership", release.takeOwnership],
  );
};

export const installArguments = (release: Release): string[] => [
  ...deploymentArguments(release),
  ...flags(["create-namespace", release.createNamespace], ["replace", release.replace]),
];

export const upgradeArguments = (release: Release): string[] => [
  ...deploymentArguments(release),
  ...flags(
    ["cleanup-on-fail", release.cleanupOnFail],
    ["force", release.forceUpdate],
    ["history-max", release.maxHistory ?? 0],
    ["reset-values", release.resetValues],
    ["reuse-values", release.reuseValues],
  ),
];

/** Rendering only: no cluster is asked. */
export const templateArguments = (release: Release): string[] =>
  flags(["include-crds", release.skipCrds !== true], ["no-hooks", release.disableWebhooks]);
