// SPDX-License-Identifier: Apache-2.0
// The rules for the inputs of GkeNodePools.

import type * as pulumi from "@pulumi/pulumi";
import * as shared from "../cloud/group-rules.ts";
import { notReadyTaintKeyRule, taintRule, untaintedGroupRule } from "../cloud/taints.ts";
import { agentEngine } from "../datapath-agent.ts";
import { checkedInput, type InputProblem, knownNow } from "../input-errors.ts";
import { nearestName } from "../nearest-name.ts";
import { unknownInputs } from "../unknown-inputs.ts";
import {
  type GkeNodePoolArgs,
  type GkeNodePoolsArgs,
  gkeNodePoolInputs,
  gkeNodePoolsInputs,
} from "./node-pool-args.ts";
import { resourceLabelsRule } from "./rules.ts";

const problem = (propertyPath: string, reason: string): InputProblem[] => [{ propertyPath, reason }];

/** A pool with its sizes. */
export function poolSizes({
  minSize = 1,
  desiredSize = Math.max(1, minSize),
  maxSize,
}: GkeNodePoolArgs): shared.GroupSize {
  return { minSize, desiredSize, maxSize: maxSize ?? Math.max(3, desiredSize) };
}

function machineTypeRule(path: string, type: string): InputProblem[] {
  if (/^[a-z]\d+[a-z]*-[a-z]+(-\d+)*[a-z]*$/.test(type)) return [];
  return problem(path, `is "${type}", which is not a type of machine at Google; write one such as "e2-standard-4".`);
}

function imageTypeRule(path: string, type: string): InputProblem[] {
  const types = ["COS_CONTAINERD", "UBUNTU_CONTAINERD"];
  if (types.includes(type)) return [];
  if (type.startsWith("WINDOWS")) {
    return problem(path, `is "${type}", and eBPF serves Services on Linux only; use "${types[0]}".`);
  }
  const near = nearestName(type, types);
  return problem(
    path,
    `is "${type}", and the images are ${types.join(" and ")}; ${near === undefined ? "use one of these." : `did you mean "${near}"?`}`,
  );
}

/** This package's agent serves a node without taking a taint from it. */
function agentTaintRule(datapath: string | undefined, notReady: string | undefined): InputProblem[] {
  if (datapath !== agentEngine.releaseName || notReady === undefined) return [];
  return problem(
    "notReadyTaint",
    `is true, and the datapath "${datapath}" takes no taint from a node, so that no pod would ever run there; set it to false.`,
  );
}

/** The datapath, judged when it is known. */
export function checkedDatapath(
  what: string,
  datapath: pulumi.Input<string> | undefined,
  notReady: string | undefined,
): pulumi.Output<string> | undefined {
  if (datapath === undefined) return undefined;
  return checkedInput(datapath, what, (release) => agentTaintRule(release, notReady));
}

function datapathProblems(args: GkeNodePoolsArgs, fixed: boolean, notReady: string | undefined): InputProblem[] {
  if (fixed) {
    const stray = (["datapath", "notReadyTaint", "notReadyTaintKey"] as const).find((key) => args[key] !== undefined);
    if (stray === undefined) return [];
    return problem(
      stray,
      "is given, and the cluster's mode is \"dataplane-v2\", whose nodes bring Google's; leave it out.",
    );
  }
  if (args.datapath !== undefined && knownNow(args.datapath) !== "")
    return [
      ...notReadyTaintKeyRule(args.notReadyTaintKey, notReady),
      ...agentTaintRule(knownNow(args.datapath), notReady),
    ];
  return problem(
    "datapath",
    'is missing in mode "self-managed", so nodes would not wait for the datapath; give the Datapath\'s releaseName.',
  );
}

function poolProblems(pool: GkeNodePoolArgs, path: string, notReady: string | undefined): InputProblem[] {
  return [
    ...unknownInputs(pool, gkeNodePoolInputs, {}, `${path}.`),
    ...machineTypeRule(`${path}.machineType`, pool.machineType ?? "e2-standard-4"),
    ...imageTypeRule(`${path}.imageType`, pool.imageType ?? "COS_CONTAINERD"),
    ...shared.groupSizeRule(path, poolSizes(pool)),
    ...shared.diskSizeRule(`${path}.diskSizeGib`, pool.diskSizeGib ?? 100),
    ...shared.labelsRule(`${path}.labels`, pool.labels ?? {}),
    ...(pool.taints ?? []).flatMap((taint, index) => taintRule(`${path}.taints[${index}]`, taint, notReady)),
  ];
}

/** What is wrong with the inputs; `notReady` is the taint with which nodes are born. */
export function nodePoolsProblems(args: GkeNodePoolsArgs, notReady: string | undefined): InputProblem[] {
  const { cluster, pools } = args;
  if (cluster.platform !== "gke") {
    return problem("cluster", `is of the platform "${cluster.platform}"; give the cluster of a GkeCluster.`);
  }
  return [
    ...unknownInputs(args, gkeNodePoolsInputs, {}),
    ...datapathProblems(args, cluster.capabilities.fixedDatapath === true, notReady),
    ...shared.groupNamesRule(
      "pools",
      pools.map(({ name }) => name),
      40,
    ),
    ...pools.flatMap((pool, index) => poolProblems(pool, `pools[${index}]`, notReady)),
    ...untaintedGroupRule("pools", pools),
    ...shared.nodesAtFirstRule(
      "pools",
      pools.map((pool) => poolSizes(pool).desiredSize),
    ),
    ...resourceLabelsRule(args.labels ?? {}),
  ];
}
