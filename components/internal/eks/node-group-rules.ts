// SPDX-License-Identifier: Apache-2.0
// The rules for the inputs of EksNodeGroups.

import * as shared from "../cloud/group-rules.ts";
import { notReadyTaintKeyRule, taintRule, untaintedGroupRule } from "../cloud/taints.ts";
import { type InputProblem, knownNow } from "../input-errors.ts";
import { nearestName } from "../nearest-name.ts";
import { unknownInputs } from "../unknown-inputs.ts";
import {
  type EksNodeGroupArgs,
  type EksNodeGroupsArgs,
  eksNodeGroupInputs,
  eksNodeGroupsInputs,
} from "./node-group-args.ts";

const problem = (propertyPath: string, reason: string): InputProblem[] => [{ propertyPath, reason }];

/** A group with its sizes. */
export function sizesOf({
  minSize = 1,
  desiredSize = Math.max(2, minSize),
  maxSize,
}: EksNodeGroupArgs): shared.GroupSize {
  return { minSize, desiredSize, maxSize: maxSize ?? Math.max(3, desiredSize) };
}

/** Whether machines of this type have AWS' own processors: `m7g.large`, `c6gn.xlarge`. */
const isGraviton = (type: string): boolean => type.startsWith("a1.") || /^[a-z]+\d+g[a-z]*\./.test(type);

/** The types of machines of a group. */
export const typesOf = ({ instanceTypes = ["m6i.large"] }: EksNodeGroupArgs): string[] => instanceTypes;

/** The image of a group's machines. */
export function amiTypeOf(group: EksNodeGroupArgs): string {
  return group.amiType ?? (typesOf(group).every(isGraviton) ? "AL2023_ARM_64_STANDARD" : "AL2023_x86_64_STANDARD");
}

const amiTypes = [
  "AL2023_x86_64_STANDARD",
  "AL2023_ARM_64_STANDARD",
  "AL2023_x86_64_NVIDIA",
  "AL2023_ARM_64_NVIDIA",
  "AL2023_x86_64_NEURON",
  "BOTTLEROCKET_x86_64",
  "BOTTLEROCKET_ARM_64",
  "BOTTLEROCKET_x86_64_NVIDIA",
  "BOTTLEROCKET_ARM_64_NVIDIA",
];

function amiTypeRule(path: string, amiType: string): InputProblem[] {
  if (amiTypes.includes(amiType)) return [];
  if (amiType.startsWith("WINDOWS")) {
    return problem(path, `is "${amiType}", and eBPF serves Services on Linux only; use "${amiTypes[0]}".`);
  }
  if (/^AL2_/.test(amiType)) {
    return problem(path, `is "${amiType}", whose kernel is too old and which AWS retired; use "${amiTypes[0]}".`);
  }
  const near = nearestName(amiType, amiTypes);
  return problem(
    path,
    `is "${amiType}", which is no image of a managed group; ${near === undefined ? `use "${amiTypes[0]}".` : `did you mean "${near}"?`}`,
  );
}

function instanceTypesRule(path: string, group: EksNodeGroupArgs): InputProblem[] {
  const types = typesOf(group);
  if (types.length === 0) return problem(path, 'is empty; name one type at least, such as "m6i.large".');
  const malformed = types.findIndex((type) => !/^[a-z][a-z0-9-]*\d[a-z0-9-]*\.([a-z0-9]+|metal(-\d+xl)?)$/.test(type));
  if (malformed !== -1) {
    return problem(
      `${path}[${malformed}]`,
      `is "${types[malformed]}", which is not a type of machine; write one such as "m6i.large".`,
    );
  }
  const arm = types.map(isGraviton);
  if (arm.some((one) => one !== arm[0])) {
    return problem(path, `has types with Intel's, AMD's and AWS' processors (${types.join(", ")}); make two groups.`);
  }
  const image = amiTypeOf(group);
  if (!amiTypes.includes(image) || image.includes("ARM_64") === arm[0]) return [];
  return problem(path, `has ${types[0]}, on which an image ${image} does not run; change one of the two.`);
}

function capacityTypeRule(path: string, type: string): InputProblem[] {
  if (["ON_DEMAND", "SPOT", "CAPACITY_BLOCK"].includes(type)) return [];
  return problem(path, `is "${type}"; use "ON_DEMAND", "SPOT" or "CAPACITY_BLOCK".`);
}

function maxUnavailableRule(path: string, count: number): InputProblem[] {
  if (Number.isInteger(count) && count >= 1 && count <= 100) return [];
  return problem(path, `is ${count}, and an upgrade replaces 1 to 100 nodes at a time; use a number in between.`);
}

function groupProblems(
  group: EksNodeGroupArgs,
  path: string,
  controlPlane: string | undefined,
  notReady: string | undefined,
): InputProblem[] {
  return [
    ...unknownInputs(group, eksNodeGroupInputs, {}, `${path}.`),
    ...instanceTypesRule(`${path}.instanceTypes`, group),
    ...amiTypeRule(`${path}.amiType`, amiTypeOf(group)),
    ...capacityTypeRule(`${path}.capacityType`, group.capacityType ?? "ON_DEMAND"),
    ...shared.groupSizeRule(path, sizesOf(group)),
    ...shared.diskSizeRule(`${path}.diskSizeGib`, group.diskSizeGib ?? 50),
    ...maxUnavailableRule(`${path}.maxUnavailable`, group.maxUnavailable ?? 1),
    ...shared.labelsRule(`${path}.labels`, group.labels ?? {}),
    ...(group.taints ?? []).flatMap((taint, index) => taintRule(`${path}.taints[${index}]`, taint, notReady)),
    ...(group.kubernetesVersion === undefined
      ? []
      : shared.nodeVersionRule(`${path}.kubernetesVersion`, group.kubernetesVersion, controlPlane)),
  ];
}

/** What is wrong with the inputs; `notReady` is the taint with which nodes are born. */
export function nodeGroupsProblems(args: EksNodeGroupsArgs, notReady: string | undefined): InputProblem[] {
  const { cluster, groups } = args;
  if (cluster.platform !== "eks") {
    return problem("cluster", `is of the platform "${cluster.platform}"; give the cluster of an EksCluster.`);
  }
  return [
    ...unknownInputs(args, eksNodeGroupsInputs, {}),
    ...(knownNow(args.datapath) === ""
      ? problem("datapath", "is empty, so nodes would not wait for the datapath; give the Datapath's releaseName.")
      : []),
    ...shared.groupNamesRule(
      "groups",
      groups.map(({ name }) => name),
      63,
    ),
    ...notReadyTaintKeyRule(args.notReadyTaintKey, notReady),
    ...groups.flatMap((group, index) =>
      groupProblems(group, `groups[${index}]`, knownNow(cluster.kubernetesVersion), notReady),
    ),
    ...untaintedGroupRule("groups", groups),
    ...shared.nodesAtFirstRule(
      "groups",
      groups.map((group) => sizesOf(group).desiredSize),
    ),
  ];
}
