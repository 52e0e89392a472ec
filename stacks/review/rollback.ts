// SPDX-License-Identifier: Apache-2.0
// Says what happens when the change is taken back: the same update with the old program.

import { type Effect, worse } from "../../components/internal/value-effects.ts";
import { controlPlanes, type Member } from "./nodes.ts";
import type { Change } from "./preview.ts";
import { code } from "./secrets.ts";
import type { DatapathChange } from "./values.ts";

/** What a rollback does. */
export interface Rollback {
  readonly effect: Effect;
  /** One sentence each. */
  readonly sentences: readonly string[];
}

const names = (items: readonly { readonly name: string }[]): string => items.map(({ name }) => name).join(", ");

function memberSentences(members: readonly Member[]): string[] {
  const of = (kind: Member["kind"], operation: Member["operation"]) =>
    members.filter((member) => member.kind === kind && member.operation === operation);
  const made = [...of("node", "create"), ...of("node group", "create")];
  const gone = [...of("node", "delete"), ...of("node group", "delete")];
  const anew = members.filter(
    ({ kind, operation, effect }) =>
      kind !== "cluster" && (operation === "replace" || (operation === "update" && effect === "node-restart")),
  );
  const clusters = members.filter(
    ({ kind, operation }) => kind === "cluster" && (operation === "delete" || operation === "replace"),
  );
  const born = members.filter(({ kind, operation }) => kind === "cluster" && operation === "create");
  if (born.length > 0 && born.length === members.filter(({ kind }) => kind === "cluster").length) {
    const are = born.length === 1 ? "is" : "are";
    return [`Everything is new: ${names(born)} ${are} deleted again, with all that runs there by then.`];
  }
  return [
    ...(born.length > 0
      ? [`Clusters that are new are deleted again, with all that runs there by then: ${names(born)}.`]
      : []),
    ...(made.length > 0 ? [`Nodes that come now are drained and leave again: ${names(made)}.`] : []),
    ...(gone.length > 0
      ? [`Nodes that leave now come back empty: ${names(gone)}; what only their disks held is lost.`]
      : []),
    ...(anew.length > 0 ? [`Nodes that are made anew are made anew a second time: ${names(anew)}.`] : []),
    ...(clusters.length > 0
      ? [
          `**No rollback brings back what was in ${names(clusters)}**: a new and empty cluster takes its place. Save it first.`,
        ]
      : []),
  ];
}

function datapathSentences({ engine, values, change }: DatapathChange): string[] {
  if (change.operation === "create") {
    const name = `${code(change.name)} (${engine})`;
    return [`The datapath ${name} is removed; Services of its cluster are then served by nobody.`];
  }
  const resets = values.filter(({ effect }) => effect === "flows-reset");
  const restarts = values.filter(({ effect }) => effect === "node-restart");
  const version = values.find(({ path }) => path === "(version of the chart)");
  return [
    ...(values.length > 0
      ? [`${values.length} value(s) of ${change.name} go back, with the same effect on traffic as on the way here.`]
      : []),
    ...(resets.length > 0 ? ["Established connections are cut a second time."] : []),
    ...(restarts.length > 0 ? ["Nodes have to be drained or replaced a second time."] : []),
    ...(version === undefined
      ? []
      : [
          `The chart goes from ${String(version.after)} back to ${String(version.before)}: one minor version back is what upstream supports.`,
        ]),
  ];
}

/** The property that holds a control plane's version, at AWS and at Google. */
const versionInputs = ["version", "minMasterVersion"];

const raisesControlPlane = ({ type, operation, reasons }: Change): boolean =>
  controlPlanes.has(type) && operation === "update" && versionInputs.some((input) => reasons.includes(input));

/** Judges the way back; `flowEffect` is the effect on the way here. */
export function rollback(
  changes: readonly Change[],
  members: readonly Member[],
  datapaths: readonly DatapathChange[],
  flowEffect: Effect,
): Rollback {
  const moving = changes.filter(({ operation }) => operation !== "same");
  if (moving.length === 0) return { effect: "none", sentences: ["There is nothing to take back."] };
  const leaving = members.some(({ operation }) => operation === "create" || operation === "replace");
  const sentences = [...memberSentences(members), ...datapaths.flatMap(datapathSentences)];
  return {
    effect: leaving ? worse(flowEffect, "node-restart") : flowEffect,
    sentences: [
      "Run the update with the old program: `git revert`, then `pulumi up`.",
      ...(sentences.length > 0 ? sentences : ["Neither nodes nor values of the datapath are touched on the way back."]),
      ...(changes.some(raisesControlPlane)
        ? ["**The control plane stays**: a cloud takes none back to an older Kubernetes, and refuses the old program."]
        : []),
      ...(changes.some(({ type, operation }) => type === "command:remote:Command" && operation === "update")
        ? ["Steps on hosts run again with the old inputs; an older Kubernetes is not installed over a newer one."]
        : []),
    ],
  };
}
