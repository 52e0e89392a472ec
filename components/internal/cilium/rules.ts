// SPDX-License-Identifier: Apache-2.0
// All rules for an installation of Cilium, and the place at which the user wrote what breaks one.

import { apiServerRule, withoutApiServer } from "../api-server-values.ts";
import { nodePortAddressesRule, nodePortRangeRule, type Values, valueAt } from "../datapath-rules.ts";
import type { InputProblem } from "../input-errors.ts";
import { keyProblems, knownKeys } from "./known-keys.ts";
import * as load from "./load-rules.ts";
import type { CiliumSetting } from "./modes.ts";
import * as node from "./node-rules.ts";
import * as routing from "./routing-rules.ts";
import * as service from "./service-rules.ts";
import * as setting from "./setting-rules.ts";
import { chosenCiliumValues } from "./values.ts";

type Rule = (values: Values, setting: CiliumSetting) => InputProblem[];

const rangeRule: Rule = (values) => (valueAt(values, "nodePort.range") === undefined ? [] : nodePortRangeRule(values));

/** Rules about where Cilium is to run: without them, values have no meaning. */
const settingRules: readonly Rule[] = [setting.fixedDatapathRule, setting.modeRule];

const rules: readonly Rule[] = [
  setting.nativeSegmentRule,
  setting.versionRule,
  setting.chartSourceRule,
  setting.apiServerHostRule,
  setting.apiServerPortRule,
  load.loadRule,
  load.frontendCountRule,
  load.lbMapSizeRule,
  load.nodeMapSizeRule,
  load.tableSizeRule,
  load.mapMemoryRule,
  service.replacementRule,
  service.socketRule,
  service.gatewayApiRule,
  service.balancingModeRule,
  service.algorithmRule,
  service.accelerationRule,
  service.dsrDispatchRule,
  service.noBackendRule,
  service.dsrRoutingRule,
  service.dsrGeneveRule,
  service.dsrCloudRule,
  service.xdpPlatformRule,
  service.maglevRule,
  service.maglevSeedRule,
  service.ciliumHealthAddressRule,
  rangeRule,
  (values) => nodePortAddressesRule(values),
  routing.bpfMasqueradeRule,
  routing.masqueradeInterfacesRule,
  routing.chainingExclusiveRule,
  routing.chainingMasqueradeRule,
  routing.chainingModeRule,
  routing.routingModeRule,
  routing.cloudRoutingRule,
  routing.tunnelProtocolRule,
  routing.nativeCidrRule,
  routing.directRoutesRule,
  routing.ipamRule,
  routing.eniRule,
  routing.eniIpv6Rule,
  routing.podPoolRule,
  routing.noConntrackRule,
  routing.gkeRule,
  node.datapathModeRule,
  node.netkitKernelRule,
  node.netkitTproxyRule,
  node.netkitHostRoutingRule,
  node.oldestKernelRule,
  node.bbrRule,
  node.bigTcpRule,
  node.mtuRule,
  node.mapLimitsRule,
  node.natSizeRule,
  node.mapRatioRule,
  node.operatorReplicasRule,
  node.pinnedImageRule,
  node.imageDigestRule,
  node.taintKeyRule,
  node.upgradeCompatibilityRule,
];

/** The keys are those of chart 1.20; a later one may have others. */
const knowsKeys = ({ version }: CiliumSetting): boolean => version.startsWith("1.20.");

/** What may be wrong with the keys of a chart that is newer than those that are known. */
export function unknownKeyWarnings(of: CiliumSetting, helmValues: Values): InputProblem[] {
  return knowsKeys(of) ? [] : keyProblems("helmValues.", withoutApiServer(helmValues));
}

/** What is wrong with an installation: one problem for each place. `inputs` are those of the component that are no options. */
export function ciliumProblems(
  of: CiliumSetting,
  options: Values,
  helmValues: Values,
  inputs: readonly string[] = [],
): InputProblem[] {
  const impossible = settingRules.flatMap((rule) => rule({}, of));
  if (impossible.length > 0) return impossible;
  // A misspelled or mistyped value is not looked at further: a rule would only repeat it.
  const malformed = [
    ...apiServerRule("", options),
    ...apiServerRule("helmValues.", helmValues),
    ...keyProblems("", withoutApiServer(options), knownKeys(), inputs),
    ...(knowsKeys(of) ? keyProblems("helmValues.", withoutApiServer(helmValues)) : []),
  ];
  const chosen = chosenCiliumValues(of, options, helmValues);
  const broken = rules
    .flatMap((rule) => rule(chosen, of))
    .map((problem) =>
      valueAt(helmValues, problem.propertyPath) === undefined
        ? problem
        : { ...problem, propertyPath: `helmValues.${problem.propertyPath}` },
    );
  const byPlace = new Map<string, InputProblem>();
  for (const problem of [...malformed, ...broken]) {
    if (!byPlace.has(problem.propertyPath)) byPlace.set(problem.propertyPath, problem);
  }
  return [...byPlace.values()];
}

/** What is wrong with complete values as they stand, whoever wrote them: their keys, and their combinations. */
export function valueProblems(of: CiliumSetting, values: Values): InputProblem[] {
  const byPlace = new Map<string, InputProblem>();
  const misspelled = knowsKeys(of) ? keyProblems("", withoutApiServer(values)) : [];
  for (const problem of [...misspelled, ...rules.flatMap((rule) => rule(values, of))]) {
    if (!byPlace.has(problem.propertyPath)) byPlace.set(problem.propertyPath, problem);
  }
  return [...byPlace.values()];
}
