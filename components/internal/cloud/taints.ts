// SPDX-License-Identifier: Apache-2.0
// Taints of a cloud's nodes: written as Kubernetes writes them, handed over in the spelling of the cloud's API.

import type * as pulumi from "@pulumi/pulumi";
import type { InputProblem } from "../input-errors.ts";
import { nearestName } from "../nearest-name.ts";

/** A taint that every node of a group is born with. */
export interface NodeTaintArgs {
  /** Key, such as `dedicated`. */
  key: string;
  /**
   * Value.
   * @default ""
   */
  value?: pulumi.Input<string>;
  /** `NoSchedule`, `PreferNoSchedule` or `NoExecute`. */
  effect: string;
}

/** The taint that Cilium takes from a node when it serves there. */
export const defaultNotReadyTaint = "node.cilium.io/agent-not-ready";

const cloudSpelling: Readonly<Record<string, string>> = {
  NoSchedule: "NO_SCHEDULE",
  PreferNoSchedule: "PREFER_NO_SCHEDULE",
  NoExecute: "NO_EXECUTE",
};

/** A taint as the APIs of AWS and Google write it; both take `NO_EXECUTE` for `NoExecute`. */
export interface CloudTaint {
  readonly key: string;
  readonly value: pulumi.Input<string>;
  readonly effect: string;
}

/** The group's own taints, after the one that keeps pods away until the datapath serves on the node. */
export function cloudTaints(taints: readonly NodeTaintArgs[], notReadyTaint: string | undefined): CloudTaint[] {
  const own = taints.map(({ key, value, effect }) => ({
    key,
    value: value ?? "",
    effect: cloudSpelling[effect] ?? effect,
  }));
  if (notReadyTaint === undefined) return own;
  return [{ key: notReadyTaint, value: "true", effect: "NO_EXECUTE" }, ...own];
}

const problem = (propertyPath: string, reason: string): InputProblem[] => [{ propertyPath, reason }];

/** A name of at most 63 characters, which may have the domain of its owner before it. */
export const isTaintKey = (text: unknown): boolean =>
  typeof text === "string" && /^([a-z0-9.-]+\/)?[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?$/.test(text);

/** The key of the taint that nodes are born with; `wanted` is undefined where they are born with none. */
export function notReadyTaintKeyRule(key: string | undefined, wanted: string | undefined): InputProblem[] {
  if (key === undefined) return [];
  const path = "notReadyTaintKey";
  if (wanted === undefined)
    return problem(path, `is "${key}", and these nodes are born without that taint; leave it out.`);
  if (isTaintKey(key)) return [];
  return problem(path, `is "${key}", which is not a taint's key; write one such as "${defaultNotReadyTaint}".`);
}

export function taintRule(path: string, taint: NodeTaintArgs, notReadyTaint: string | undefined): InputProblem[] {
  const effects = Object.keys(cloudSpelling);
  if (!effects.includes(taint.effect)) {
    const near = nearestName(taint.effect.replaceAll("_", ""), effects);
    return problem(
      `${path}.effect`,
      `is "${taint.effect}", which is no effect as Kubernetes writes it (${effects.join(", ")}); ${near === undefined ? "use one of these." : `write "${near}".`}`,
    );
  }
  if (!isTaintKey(taint.key)) {
    return problem(`${path}.key`, `is "${taint.key}", which is not a taint's key; write one such as "dedicated".`);
  }
  if (taint.key === notReadyTaint) {
    return problem(
      `${path}.key`,
      `is "${taint.key}", which the nodes of this mode are born with already; leave the taint out.`,
    );
  }
  return [];
}

type TaintedGroup = { readonly taints?: readonly NodeTaintArgs[] };

/** The groups that cluster DNS and the datapath's operator run on: they tolerate no taint of the user's. */
export function openGroups<Group extends TaintedGroup>(groups: readonly Group[]): Group[] {
  return groups.filter(({ taints = [] }) => taints.every(({ effect }) => effect === "PreferNoSchedule"));
}

/** Refuses groups of which none is open. */
export function untaintedGroupRule(property: string, groups: readonly TaintedGroup[]): InputProblem[] {
  if (groups.length === 0 || openGroups(groups).length > 0) return [];
  return problem(
    property,
    "has a taint in every group, so that cluster DNS and the datapath's operator have no node to run on and no node becomes ready; leave one group without taints.",
  );
}
