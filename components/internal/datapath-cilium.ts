// SPDX-License-Identifier: Apache-2.0
// The engine "cilium": the upstream chart of one exact version, with values tuned for the platform and the mode.

import { type CiliumSetting, defaultMode, tunedVersion, upstreamRepository } from "./cilium/modes.ts";
import { ciliumProblems, unknownKeyWarnings } from "./cilium/rules.ts";
import { assumedNodeMemoryMib, type Load, mapMemory, totalMib } from "./cilium/sizing.ts";
import { chosenCiliumValues } from "./cilium/values.ts";
import { commonInputs, type DatapathChoice, type DatapathEngine, type DatapathFacts } from "./datapath-engine.ts";
import type { ExpectedLoad } from "./datapath-options.ts";
import { type Values, valueAt } from "./datapath-rules.ts";
import type { InputProblem } from "./input-errors.ts";
import { unknownInputs } from "./unknown-inputs.ts";

const expectedInputs: readonly (keyof ExpectedLoad)[] = [
  "services",
  "endpoints",
  "portsPerService",
  "exposedServices",
  "addressesPerNode",
  "nodes",
  "nodeMemoryMib",
  "mapMemoryBudgetMib",
];

const expectedOf = ({ settings }: DatapathChoice): Values | undefined => settings["expected"] as Values | undefined;

function loadOf(choice: DatapathChoice): Load | undefined {
  const expected = expectedOf(choice);
  if (expected === undefined) return undefined;
  const number = (key: string, otherwise: number): number => Number(expected[key] ?? otherwise);
  const nodeMemoryMib = number("nodeMemoryMib", assumedNodeMemoryMib);
  return {
    services: number("services", Number.NaN),
    endpoints: number("endpoints", Number.NaN),
    portsPerService: number("portsPerService", 1),
    exposedServices: number("exposedServices", 0),
    addressesPerNode: number("addressesPerNode", 1),
    nodes: expected["nodes"] === undefined ? undefined : Number(expected["nodes"]),
    nodeMemoryMib,
    mapMemoryBudgetMib: number("mapMemoryBudgetMib", nodeMemoryMib / 4),
  };
}

const textOf = (settings: Values, key: string, otherwise: string): string => String(settings[key] ?? otherwise);

function settingOf(choice: DatapathChoice, cluster: DatapathFacts): CiliumSetting {
  const { settings } = choice;
  const kernel = settings["minimumKernelVersion"];
  return {
    cluster,
    mode: textOf(settings, "mode", defaultMode(cluster)),
    version: textOf(settings, "version", tunedVersion),
    chartSource: textOf(settings, "chartSource", upstreamRepository),
    kernel: kernel === undefined ? undefined : String(kernel),
    load: loadOf(choice),
  };
}

const inputs = [...commonInputs, "mode", "version", "chartSource", "minimumKernelVersion", "expected"];

function problemsOf(choice: DatapathChoice, facts: DatapathFacts): InputProblem[] {
  const setting = settingOf(choice, facts);
  const unknown = unknownInputs(expectedOf(choice) ?? {}, expectedInputs, {}, "expected.");
  // A load of which a part is misspelled is not judged by what is left of it.
  const judged = unknown.length === 0 ? setting : { ...setting, load: undefined };
  return [...unknown, ...ciliumProblems(judged, choice.options, choice.helmValues, inputs)];
}

/** The engine "cilium". */
export const ciliumEngine: DatapathEngine = {
  releaseName: "cilium",

  problems: problemsOf,

  values: (choice, facts) => chosenCiliumValues(settingOf(choice, facts), choice.options, choice.helmValues),

  chart({ settings }) {
    const source = textOf(settings, "chartSource", upstreamRepository);
    const version = textOf(settings, "version", tunedVersion);
    if (source.startsWith("https://")) return { chart: "cilium", version, repository: source };
    if (source.startsWith("oci://")) return { chart: source, version };
    // A folder or an archive is of one version.
    return { chart: source };
  },
};

/** What is not wrong, but may be a mistake: keys that only a chart newer than the known one could have. */
export function ciliumWarnings(choice: DatapathChoice, facts: DatapathFacts): string[] {
  const setting = settingOf(choice, facts);
  return unknownKeyWarnings(setting, choice.helmValues).map(
    ({ propertyPath, reason }) =>
      `${propertyPath}: ${reason} (This is what chart ${tunedVersion} says; ${setting.version} may know it.)`,
  );
}

/** What the maps of these values take on a node, and the sentence that says so. */
export function predictedMaps(choice: DatapathChoice, values: Values): { mib: number; sentence: string } {
  const load = loadOf(choice);
  const maps = mapMemory(values, load);
  const mib = totalMib(maps);
  const largest = [...maps]
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, 3)
    .map(({ map, bytes, entries }) => `${map} ${Math.ceil(bytes / 2 ** 20)} MiB for ${entries} entries`);
  const node = load === undefined ? `${assumedNodeMemoryMib} MiB (assumed)` : `${load.nodeMemoryMib} MiB`;
  const fill = load === undefined ? "with full Service maps" : "under the expected load";
  const maglev =
    load === undefined && valueAt(values, "loadBalancer.algorithm") === "maglev"
      ? " Besides, Maglev takes a table for every exposed address and port: give expected to count them."
      : "";
  return {
    mib,
    sentence: `Cilium's maps take about ${mib} MiB on a node of ${node} ${fill}; the largest: ${largest.join(", ")}.${maglev}`,
  };
}
