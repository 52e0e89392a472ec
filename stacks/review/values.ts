// SPDX-License-Identifier: Apache-2.0
// Compares the datapath's values before and after, key by key, and says of each what it does to traffic.

import {
  type Effect,
  effectOf,
  otherChart,
  type ValueEffect,
  versionEffect,
} from "../../components/internal/value-effects.ts";
import { datapathOf } from "../policy/rules/datapath-release.ts";
import { type Change, hidden, isUnknown } from "./preview.ts";

/** One value that changes. */
export interface ValueChange extends ValueEffect {
  readonly path: string;
  /** `undefined` where there was, or will be, none. */
  readonly before: unknown;
  readonly after: unknown;
}

/** The release of a datapath, with what changes in it. */
export interface DatapathChange {
  readonly change: Change;
  readonly engine: "agent" | "cilium";
  readonly values: readonly ValueChange[];
  /** The preview hides all values, because one of them is secret. */
  readonly hidden: boolean;
}

const isTree = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Every leaf of a tree by its path; an empty tree is a leaf. */
export function leaves(value: unknown, path = ""): Map<string, unknown> {
  if (!isTree(value) || (path !== "" && Object.keys(value).length === 0)) return new Map([[path, value]]);
  return new Map(
    Object.entries(value).flatMap(([key, child]) => [...leaves(child, path === "" ? key : `${path}.${key}`)]),
  );
}

const equal = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b) && !isUnknown(b);

function valueChanges(before: unknown, after: unknown, created: boolean): ValueChange[] {
  const [old, now] = [before, after].map((values) => (isTree(values) ? leaves(values) : new Map<string, unknown>()));
  const paths = [...new Set([...(old?.keys() ?? []), ...(now?.keys() ?? [])])].sort();
  return paths
    .filter((path) => !equal(old?.get(path), now?.get(path)))
    .map((path) => ({
      path,
      before: old?.get(path),
      after: now?.get(path),
      // The first installation changes the traffic of nobody.
      ...(created ? { effect: "none" as Effect, why: "nothing is served before" } : effectOf(path)),
    }));
}

/** An input before and after; `undefined` where there is none before, or none after. */
function bothOf({ before, after }: Change, input: string): { old: string; now: string; same: boolean } | undefined {
  const [old, now] = [before?.inputs?.[input], after?.inputs?.[input]];
  return typeof old === "string" && typeof now === "string" ? { old, now, same: old === now } : undefined;
}

/** Another chart: by its version, or, in a folder or an archive that has none here, by what it renders and where it is. */
function chartChange(change: Change, valuesStay: boolean): ValueChange[] {
  const [version, chart, rendered] = ["version", "chart", "checksum"].map((input) => bothOf(change, input));
  if (version?.same === false) {
    const { old, now } = version;
    return [{ path: "(version of the chart)", before: old, after: now, ...versionEffect(old, now) }];
  }
  if (chart === undefined || rendered?.same === true) return [];
  // What is rendered changes with the values too.
  const otherContents = rendered !== undefined && valuesStay;
  const otherPlace = !chart.same && version === undefined;
  if (!otherContents && !otherPlace) return [];
  const now = chart.same ? `${chart.now}, with other contents` : chart.now;
  return [{ path: "(the chart)", before: chart.old, after: now, ...otherChart }];
}

/** A release that is taken away or made anew takes what serves Services with it for a while. */
function lifeChange({ operation }: Change): ValueChange[] {
  if (operation !== "delete" && operation !== "replace") return [];
  const why =
    operation === "delete"
      ? "nobody takes over the Services: what is in the kernel is served until a node restarts, and nothing new"
      : "the datapath is removed and installed again, and its connections are not carried over";
  return [
    {
      path: "(the release)",
      before: "installed",
      after: operation === "delete" ? "removed" : "installed anew",
      effect: "flows-reset",
      why,
    },
  ];
}

/** Every datapath of the stack. */
export function datapathChanges(changes: readonly Change[]): DatapathChange[] {
  return changes.flatMap((change) => {
    const state = change.after ?? change.before;
    const engine =
      state === undefined
        ? undefined
        : datapathOf({ ...change, props: state.inputs ?? {}, additionalSecretOutputs: [] });
    if (engine === undefined) return [];
    const [before, after] = [change.before?.inputs?.["values"], change.after?.inputs?.["values"]];
    const created = change.operation === "create";
    const changed = change.operation === "delete" ? [] : valueChanges(before, after, created);
    const unseen = before === hidden || after === hidden;
    return [
      {
        change,
        engine,
        values: [...lifeChange(change), ...chartChange(change, changed.length === 0 && !unseen), ...changed],
        hidden: unseen,
      },
    ];
  });
}
