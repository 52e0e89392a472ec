// SPDX-License-Identifier: Apache-2.0
// Installs, upgrades and removes `helm.sh/v3:Release` by the helm program.
import { createHash, randomBytes } from "node:crypto";
import { difference, propertyOf } from "../difference.ts";
import {
  type Checked,
  type Created,
  type Differs,
  type Found,
  InitializationFailed,
  type Subject,
} from "../provider.ts";
import { containsUnknown, type Dict, isDict, reveal, revealDict, unknown } from "../values.ts";
import type { Cluster } from "./cluster.ts";
import { PrivateFile } from "./private-file.ts";
import {
  asRelease,
  chartArguments,
  checkReleaseInputs,
  installArguments,
  type Release,
  templateArguments,
  upgradeArguments,
  valuesTexts,
} from "./release-inputs.ts";
import { resourceNames } from "./rendered.ts";
import type { ToolResult } from "./tool.ts";

export const releaseType = "kubernetes:helm.sh/v3:Release";

const defaultTimeoutSeconds = 300;

/** Runs a helm command about a chart, with the release's values. */
const withValues = async (
  cluster: Cluster,
  release: Release,
  args: readonly string[],
  signal: AbortSignal,
): Promise<ToolResult> => {
  const files = valuesTexts(release).map((contents) => new PrivateFile(contents));
  try {
    const values = files.map((_, index) => `--values=${cluster.valuesPath(index)}`);
    return await cluster.helm([...args, ...values], signal, files);
  } finally {
    for (const file of files) file[Symbol.dispose]();
  }
};

/** helm's error, without its log lines before it and its hint after it. */
const complaintOf = ({ stderr, code }: ToolResult): string => {
  const text = stderr.replace(/\n*Use --debug flag to render out invalid YAML\n*/, "").trim();
  const at = text.search(/^Error: /m);
  return at < 0 ? `helm ended with exit code ${code}: ${text}` : text.slice(at + "Error: ".length);
};

const render = async (cluster: Cluster, release: Release, signal: AbortSignal): Promise<string> => {
  const args = ["template", ...chartArguments(release), ...templateArguments(release)];
  const result = await withValues(cluster, release, args, signal);
  if (result.code !== 0) throw new Error(complaintOf(result));
  return result.stdout;
};

/** What helm has on record about the release; undefined when it has nothing. */
const recorded = async (cluster: Cluster, release: Release, signal: AbortSignal): Promise<Dict | undefined> => {
  const args = ["get", "metadata", release.name, `--namespace=${release.namespace}`, "--output=json"];
  const result = await cluster.helm(args, signal);
  if (result.code === 0) {
    const found = JSON.parse(result.stdout) as Record<string, string | number>;
    const status: Dict = {};
    for (const key of ["appVersion", "chart", "name", "namespace", "revision", "status", "version"]) {
      const value = found[key];
      if (value !== undefined && value !== "") status[key] = value;
    }
    return status;
  }
  if (result.stderr.includes("release: not found")) return undefined;
  throw new Error(`helm cannot read release ${release.namespace}/${release.name}: ${complaintOf(result)}`);
};

const outputsOf = (inputs: Dict, status: Dict): Dict => ({
  ...inputs,
  ...(typeof status["version"] === "string" ? { version: status["version"] } : {}),
  status,
});

export const checkRelease = async (cluster: Cluster, subject: Subject, olds: Dict, news: Dict): Promise<Checked> => {
  const failures = checkReleaseInputs(news);
  const inputs: Dict = { ...news };
  inputs["name"] ??= olds["name"] ?? `${subject.name}-${randomBytes(4).toString("hex")}`;
  inputs["namespace"] ??= cluster.namespace;
  if (reveal(inputs["skipAwait"] ?? false) !== true) inputs["timeout"] ??= defaultTimeoutSeconds;
  if (failures.length > 0 || containsUnknown(inputs)) return { inputs, failures };
  try {
    const manifest = await render(cluster, asRelease(inputs), subject.signal);
    inputs["checksum"] = createHash("sha256").update(manifest).digest("hex");
    inputs["resourceNames"] = resourceNames(manifest);
  } catch (error) {
    const reason = `${error instanceof Error ? error.message : error}; check the chart name, its values and the repository configuration`;
    return { inputs, failures: [{ property: "chart", reason }] };
  }
  return { inputs, failures };
};

export const diffRelease = (oldInputs: Dict, news: Dict): Differs => {
  const changes = difference(oldInputs, news);
  return { changes, replaces: [...changes.keys()].filter((path) => ["name", "namespace"].includes(propertyOf(path))) };
};

/** Runs install or upgrade; a release that helm has recorded, but that failed, keeps its state for the next update. */
const deploy = async (
  cluster: Cluster,
  subject: Subject,
  inputs: Dict,
  verb: "install" | "upgrade",
): Promise<Created> => {
  const release = asRelease(inputs);
  const id = `${release.namespace}/${release.name}`;
  const before = verb === "install" ? await recorded(cluster, release, subject.signal) : undefined;
  const args = verb === "install" ? installArguments(release) : upgradeArguments(release);
  const result = await withValues(cluster, release, [verb, ...chartArguments(release), ...args], subject.signal);
  // The question about the outcome must be answered also after a cancellation.
  const status = await recorded(cluster, release, new AbortController().signal).catch(() => undefined);
  if (result.code === 0) return { id, outputs: outputsOf(inputs, status ?? {}) };
  const reason = `Helm release ${id}: ${complaintOf(result)}`;
  if (status === undefined || before !== undefined) throw new Error(reason);
  throw new InitializationFailed({ id, inputs, outputs: outputsOf(inputs, status) }, [
    `${reason}; helm has recorded it as ${status["status"]}: see \`helm status\`, correct the cause, and update again`,
  ]);
};

/** What is known before helm has run. */
const previewed = (inputs: Dict): Dict => ({
  resourceNames: unknown,
  version: unknown,
  ...inputs,
  status: unknown,
});

export const createRelease = async (
  cluster: Cluster,
  subject: Subject,
  inputs: Dict,
  preview: boolean,
): Promise<Created> => {
  if (preview) return { id: "", outputs: previewed(inputs) };
  return deploy(cluster, subject, inputs, "install");
};

export const updateRelease = async (
  cluster: Cluster,
  subject: Subject,
  inputs: Dict,
  preview: boolean,
): Promise<Dict> => {
  if (preview) return previewed(inputs);
  const release = asRelease(inputs);
  if (release.lint === true) {
    const result = await withValues(cluster, release, ["lint", release.chart], subject.signal);
    if (result.code !== 0) throw new Error(`helm lint: ${result.stdout.trim()}`);
  }
  return (await deploy(cluster, subject, inputs, "upgrade")).outputs;
};

export const readRelease = async (
  cluster: Cluster,
  subject: Subject,
  id: string,
  inputs: Dict,
  outputs: Dict,
): Promise<Found | undefined> => {
  const [namespace = "", name = ""] = id.split("/");
  const known = isDict(revealDict(inputs)) && Object.keys(inputs).length > 0 ? inputs : { name, namespace };
  const status = await recorded(cluster, { name, namespace, chart: "" }, subject.signal);
  if (status === undefined) return undefined;
  return { id, inputs: known, outputs: { ...outputs, ...outputsOf(known, status) } };
};

export const deleteRelease = async (cluster: Cluster, subject: Subject, id: string, outputs: Dict): Promise<void> => {
  const [namespace = "", name = ""] = id.split("/");
  const { skipAwait, timeout } = asRelease(outputs);
  const args = ["uninstall", name, `--namespace=${namespace}`, "--ignore-not-found"];
  if (skipAwait !== true) args.push("--wait", `--timeout=${timeout ?? defaultTimeoutSeconds}s`);
  const result = await cluster.helm(args, subject.signal);
  if (result.code !== 0) throw new Error(`Helm release ${id} was not removed: ${complaintOf(result)}`);
};
