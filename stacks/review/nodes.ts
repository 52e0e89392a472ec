// SPDX-License-Identifier: Apache-2.0
// Finds the clusters and the nodes of a stack, and what becomes of them.

import { versionGiven } from "../../components/internal/bare-metal/step-version.ts";
import type { Effect } from "../../components/internal/value-effects.ts";
import { type Change, dependenciesOf, hidden, isUnknown, type Operation } from "./preview.ts";

/** A cluster, a node, or a group of nodes. */
export interface Member {
  readonly kind: "cluster" | "node" | "node group";
  readonly cluster: string;
  readonly name: string;
  readonly operation: Operation;
  readonly effect: Effect;
  readonly what: string;
}

const clusterTypes: Readonly<Record<string, string>> = {
  "sansproxy:index:BareMetalCluster": "bare metal",
  "sansproxy:index:EksCluster": "EKS",
  "sansproxy:index:GkeCluster": "GKE",
};
/** Control planes as the clouds' own resources. */
export const controlPlanes: ReadonlySet<string> = new Set(["aws:eks/cluster:Cluster", "gcp:container/cluster:Cluster"]);
/** Groups of nodes, with the input that names their cluster. */
const groups: Readonly<Record<string, string>> = {
  "aws:eks/nodeGroup:NodeGroup": "clusterName",
  "gcp:container/nodePool:NodePool": "cluster",
};

const parentOf = ({ before, after }: Change): string => (after ?? before)?.parent ?? "";

/** The component to which a resource belongs, however deep; `undefined` outside of a cluster. */
function clusterOf(change: Change, byUrn: ReadonlyMap<string, Change>): Change | undefined {
  for (let current: Change | undefined = change; current !== undefined; current = byUrn.get(parentOf(current))) {
    if (clusterTypes[current.type] !== undefined) return current;
  }
  return undefined;
}

/** The cluster that a group joins: that of the resource from which it has the name, or the name itself. */
function joinedBy({ before, after }: Change, input: string, byUrn: ReadonlyMap<string, Change>): string {
  const state = after ?? before;
  const sources = (state?.propertyDependencies?.[input] ?? []).flatMap((urn) => byUrn.get(urn) ?? []);
  const source =
    sources.map((of) => clusterOf(of, byUrn)).find((of) => of !== undefined) ??
    sources.find(({ type }) => controlPlanes.has(type));
  const given = state?.inputs?.[input];
  return source?.name ?? (typeof given === "string" && given !== hidden && !isUnknown(given) ? given : "");
}

const part = (name: string, before: string, after: string): string | undefined =>
  name.startsWith(before) && name.endsWith(after) ? name.slice(before.length, -after.length) : undefined;

/** `CLUSTER-init` makes the first node, whose `CLUSTER-NODE-prepare` it waits for; `CLUSTER-NODE-join` every other one. */
function nodeName(cluster: string, change: Change): string | undefined {
  if (change.type !== "command:remote:Command") return undefined;
  if (change.name !== `${cluster}-init`) return part(change.name, `${cluster}-`, "-join");
  const earlier = dependenciesOf(change.after ?? change.before).map((urn) => urn.split("::").at(-1) ?? "");
  const [first] = earlier.flatMap((name) => part(name, `${cluster}-`, "-prepare") ?? []);
  return first ?? "first control plane";
}

const verbs: Readonly<Record<Operation, string>> = {
  create: "is made",
  update: "is changed in place",
  replace: "leaves and is made anew",
  delete: "leaves",
  same: "stays",
};

/** What happens to the Pods on a node, and so to their connections. */
const effectOn: Readonly<Record<Operation, Effect>> = {
  create: "none",
  update: "none",
  replace: "node-restart",
  delete: "node-restart",
  same: "none",
};

/** Changes of a group in place that its nodes do not live to see. */
const madeAnewFor: ReadonlySet<string> = new Set([
  "version",
  "releaseVersion",
  "launchTemplate",
  "amiType",
  "instanceTypes",
  "diskSize",
  "nodeConfig",
]);

/** What an update of a group does: the cloud drains its nodes and makes others, some at a time, or leaves them alone. */
function groupFate({ operation, reasons }: Change): { effect: Effect; what: string } | undefined {
  const deep = operation === "update" ? reasons.filter((reason) => madeAnewFor.has(reason)).sort() : [];
  if (deep.length === 0) return undefined;
  return { effect: "node-restart", what: `its nodes are drained and made anew because of ${deep.join(", ")}` };
}

function because({ reasons, operation }: Change): string {
  return (operation === "update" || operation === "replace") && reasons.length > 0
    ? ` because of ${[...reasons].sort().join(", ")}`
    : "";
}

type Fate = Pick<Member, "operation" | "effect" | "what">;

/** `CLUSTER-upgrade` and `CLUSTER-NODE-upgrade` take a node that stays to another version. */
function upgradeOf({ type, name }: Change, changes: readonly Change[]): Fate | undefined {
  const step = `${name.replace(/-(init|join)$/, "")}-upgrade`;
  const found = changes.find((change) => change.type === type && change.name === step);
  const [from, to] = [found?.before, found?.after].map((state) => versionGiven(state?.inputs?.["stdin"]));
  if (from === undefined || to === undefined || from === to) return undefined;
  return { operation: "update", effect: "node-restart", what: `is drained and goes from ${from} to ${to} in its turn` };
}

/** Every cluster, node and node group, in the order of the preview. */
export function members(changes: readonly Change[]): Member[] {
  const byUrn = new Map(changes.map((change) => [change.urn, change]));
  return changes.flatMap((change): Member[] => {
    const { type, operation, name } = change;
    const fate: Fate = { operation, effect: effectOn[operation], what: `${verbs[operation]}${because(change)}` };
    const platform = clusterTypes[type];
    if (platform !== undefined) return [{ kind: "cluster", cluster: name, name: `${name} (${platform})`, ...fate }];
    const owner = clusterOf(change, byUrn);
    const cluster = owner?.name ?? "";
    if (controlPlanes.has(type)) {
      return [{ kind: "cluster", cluster: cluster || name, name: `${name} (control plane)`, ...fate }];
    }
    const naming = groups[type];
    if (naming !== undefined) {
      const joined = cluster || joinedBy(change, naming, byUrn);
      return [{ kind: "node group", cluster: joined, name, ...fate, ...groupFate(change) }];
    }
    const node = owner?.type === "sansproxy:index:BareMetalCluster" ? nodeName(cluster, change) : undefined;
    if (node === undefined) return [];
    return [{ kind: "node", cluster, name: node, ...fate, ...upgradeOf(change, changes) }];
  });
}
