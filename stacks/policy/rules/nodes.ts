// SPDX-License-Identifier: Apache-2.0
// The rules for a cloud's nodes: born after the datapath, with the taint that it takes away, or on Dataplane V2.

import { at, type LinkedResource, type ResourceRule, type StackRule, shown, unknownYet } from "../rule.ts";
import { datapathOf } from "./datapath-release.ts";

const nodeTypes: ReadonlySet<string> = new Set([
  "aws:eks/nodeGroup:NodeGroup",
  "eks:index:ManagedNodeGroup",
  "eks:index:NodeGroup",
  "eks:index:NodeGroupV2",
  "gcp:container/nodePool:NodePool",
]);
const gkeCluster = "gcp:container/cluster:Cluster";
const defaultTaintKey = "node.cilium.io/agent-not-ready";

const managedByGoogle = ({ type, props }: LinkedResource): boolean =>
  type === gkeCluster && (props["datapathProvider"] === "ADVANCED_DATAPATH" || props["enableAutopilot"] === true);

/** Everything that has to be there before a resource: what waits for a component waits for all that it is made of. */
function before(resource: LinkedResource, stack: readonly LinkedResource[]): Set<LinkedResource> {
  const found = new Set<LinkedResource>();
  const open = [resource];
  for (let current = open.pop(); current !== undefined; current = open.pop()) {
    const lineage: LinkedResource[] = [];
    for (let of: LinkedResource | undefined = current; of !== undefined; of = of.parent) lineage.push(of);
    const next = lineage
      .flatMap((of) => of.dependencies)
      .flatMap((of) => [of, ...stack.filter(({ parent }) => parent === of)]);
    for (const dependency of next) {
      if (found.has(dependency)) continue;
      found.add(dependency);
      open.push(dependency);
    }
  }
  return found;
}

/** Node groups whose datapath is not the cloud's own, with what is there before them. */
function ownNodes(stack: readonly LinkedResource[]): { nodes: LinkedResource; earlier: Set<LinkedResource> }[] {
  return stack
    .filter(({ type }) => nodeTypes.has(type))
    .map((nodes) => ({ nodes, earlier: before(nodes, stack) }))
    .filter(({ earlier }) => ![...earlier].some(managedByGoogle));
}

/** Nodes that come first wait for a network that comes after them, until the cloud gives up. */
export const datapathFirstRule: StackRule = {
  name: "datapath-before-nodes",
  description: "Nodes are created after the datapath's release.",
  remedy: "Give the node group dependsOn: [datapath], or use EksNodeGroups or GkeNodePools with the input datapath.",
  violations: (stack) =>
    ownNodes(stack)
      .filter(({ earlier }) => ![...earlier].some((resource) => datapathOf(resource) !== undefined))
      .map(({ nodes }) => ({
        resource: nodes,
        reason: "does not wait for a datapath: its nodes would stay NotReady until the cloud gives up on them",
      })),
};

interface Taint {
  readonly key?: unknown;
  readonly effect?: unknown;
}

function taintsOf({ type, props }: LinkedResource): readonly Taint[] | typeof unknownYet {
  const taints = type === "gcp:container/nodePool:NodePool" ? at(props, "nodeConfig", "taints") : props["taints"];
  if (taints === unknownYet) return unknownYet;
  if (Array.isArray(taints)) return taints as Taint[];
  // eks.NodeGroup and NodeGroupV2 take a map by key.
  return Object.entries((taints ?? {}) as Record<string, Taint>).map(([key, taint]) => ({ ...taint, key }));
}

const keepsPodsAway = (effect: unknown): boolean => /^no_?(execute|schedule)$/i.test(String(effect));

/** Without the taint Pods start on a node before Cilium does, with no network or the wrong one. */
export const taintRule: StackRule = {
  name: "agent-not-ready-taint",
  description: "Nodes for Cilium are born with the taint that its agent takes away.",
  remedy: `Give the node group the taint ${defaultTaintKey} with the effect NO_EXECUTE (eks.NodeGroup: NoExecute).`,
  violations: (stack) =>
    ownNodes(stack).flatMap(({ nodes, earlier }) => {
      const release = [...earlier].find((resource) => datapathOf(resource) === "cilium");
      const taints = taintsOf(nodes);
      if (release === undefined || taints === unknownYet) return [];
      const chosen = at(release.props, "values", "agentNotReadyTaintKey");
      const key = typeof chosen === "string" ? chosen : defaultTaintKey;
      const present = taints.find((taint) => taint === (unknownYet as unknown) || taint.key === key);
      if (present === undefined)
        return [{ resource: nodes, reason: `has no taint "${key}": Pods would start there before Cilium` }];
      if (present.effect === undefined || present.effect === unknownYet || keepsPodsAway(present.effect)) return [];
      return [
        {
          resource: nodes,
          reason: `has the taint "${key}" with the effect ${shown(present.effect)}, which lets Pods start before Cilium`,
        },
      ];
    }),
};

/** Google's nodes of any other kind run kube-proxy as a static Pod. */
export const dataplaneV2Rule: ResourceRule = {
  name: "gke-dataplane-v2",
  description: "A GKE cluster uses Dataplane V2.",
  remedy:
    'Set datapathProvider: "ADVANCED_DATAPATH" when the cluster is created; where self-managed is meant, set this rule to "advisory" or "disabled".',
  violations({ type, props }) {
    if (type !== gkeCluster || props["enableAutopilot"] === true) return [];
    const provider = props["datapathProvider"];
    return provider === "ADVANCED_DATAPATH" || provider === unknownYet
      ? []
      : [`has datapathProvider ${shown(provider)}: its nodes run kube-proxy as a static Pod`];
  },
};
