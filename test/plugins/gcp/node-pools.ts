// SPDX-License-Identifier: Apache-2.0
// Simulates GKE's node pools: nodes join for real, and a pool whose nodes do not become Ready hangs, and then fails.
import { folderOf, type NodePlan } from "../clouds/clusters/cluster.ts";
import { clustersOf, readyNodes } from "../clouds/clusters/lifecycle.ts";
import { CreatedInFailure, type Kind, record, type Surroundings, text } from "../clouds/kind.ts";
import type { CheckFailure } from "../provider.ts";
import { type Dict, isDict } from "../values.ts";
import { clusterId, clusterToken, effects, taintFailures } from "./clusters.ts";
import { nameRule, projectOf, refer } from "./network.ts";

const nodeMinutes = 35;
const token = "gcp:container/nodePool:NodePool";

const sizeOf = (inputs: Dict): number =>
  Number(inputs["nodeCount"] ?? inputs["initialNodeCount"] ?? record(inputs["autoscaling"])["minNodeCount"] ?? 1);

/** The cluster's name: a pool may name it by its id as well. */
const clusterName = (inputs: Dict): string => text(inputs["cluster"]).split("/").at(-1) ?? "";

const plans = (inputs: Dict, from: number, to: number): NodePlan[] => {
  const [pool, config] = [text(inputs["name"]), record(inputs["nodeConfig"])];
  const labels = Object.entries(record(config["labels"])).map(([key, value]) => [key, text(value)]);
  const taints = (Array.isArray(config["taints"]) ? config["taints"] : []).filter(isDict);
  return Array.from({ length: Math.max(0, to - from) }, (_, index) => ({
    name: `${clusterName(inputs)}-${pool}-${from + index + 1}`,
    labels: { ...Object.fromEntries(labels), "cloud.google.com/gke-nodepool": pool },
    taints: taints.map(({ key, value, effect }) => ({
      key: text(key),
      value: text(value),
      effect: effects[text(effect)] ?? "",
    })),
  }));
};

const check = (inputs: Dict): CheckFailure[] => {
  const failures = [...nameRule(inputs), ...taintFailures(inputs["nodeConfig"])];
  const scaling = record(inputs["autoscaling"]);
  const [least, most] = [scaling["minNodeCount"], scaling["maxNodeCount"]];
  if (typeof least === "number" && typeof most === "number" && least > most) {
    failures.push({ property: "autoscaling.minNodeCount", reason: `${least} is more than maxNodeCount ${most}` });
  }
  if (least !== undefined && scaling["totalMinNodeCount"] !== undefined) {
    failures.push({ property: "autoscaling.totalMinNodeCount", reason: "conflicts with autoscaling.minNodeCount" });
  }
  const metadata = record(record(inputs["nodeConfig"])["workloadMetadataConfig"])["mode"];
  if (typeof metadata === "string" && !["MODE_UNSPECIFIED", "GCE_METADATA", "GKE_METADATA"].includes(metadata)) {
    failures.push({
      property: "nodeConfig.workloadMetadataConfig.mode",
      reason: `"${metadata}" is not GCE_METADATA or GKE_METADATA`,
    });
  }
  return failures;
};

const join = async (
  inputs: Dict,
  from: number,
  to: number,
  { account, clock, subject }: Surroundings,
): Promise<boolean> => {
  const id = clusterId(clusterName(inputs));
  const nodes = plans(inputs, from, to);
  const say = (line: string): void => subject.log("info", `simulated gke: ${line}`, { ephemeral: true });
  await clustersOf(account).addNodes(folderOf(account, id), nodes, say, subject.signal);
  const ready = await clock.until(nodeMinutes, subject.signal, async () => {
    const names = await readyNodes(account, id);
    return nodes.every(({ name }) => names.includes(name)) ? true : undefined;
  });
  return ready === true;
};

const leave = async (inputs: Dict, from: number, { account }: Surroundings): Promise<void> => {
  const names = plans(inputs, from, sizeOf(inputs)).map(({ name }) => name);
  await clustersOf(account).removeNodes(folderOf(account, clusterId(clusterName(inputs))), names);
};

const masterVersionOf = (inputs: Dict, { account }: Surroundings): string =>
  text(
    account.list(clusterToken).find(({ outputs }) => outputs["name"] === clusterName(inputs))?.outputs["masterVersion"],
  );

export const nodePool: Kind = {
  token,
  autoName: "name",
  immutable: [
    ...["name", "namePrefix", "cluster", "location", "project", "initialNodeCount", "maxPodsPerNode"],
    ...["nodeConfig.oauthScopes", "nodeConfig.serviceAccount", "nodeConfig.metadata", "placementPolicy"],
  ],
  computed: ["instanceGroupUrls", "managedInstanceGroupUrls", "operation", "project", "version"],
  references: { cluster: refer(clusterToken) },
  check,
  broken: (outputs) => (outputs["operation"] === "failed" ? "operation" : undefined),
  async create(inputs, around) {
    const project = projectOf(inputs, around.settings);
    const id = `projects/${project}/locations/${text(inputs["location"])}/clusters/${clusterName(inputs)}/nodePools/${text(inputs["name"])}`;
    if (around.account.get(token, id) !== undefined)
      throw new Error(`googleapi: Error 409: Already exists: ${id}, alreadyExists`);
    const outputs = (operation: string): Dict => ({
      instanceGroupUrls: [],
      managedInstanceGroupUrls: [],
      operation,
      project,
      // Nodes are born with their control plane's version.
      version: masterVersionOf(inputs, around),
    });
    if (await join(inputs, 0, sizeOf(inputs), around)) return { id, outputs: outputs("") };
    throw new CreatedInFailure(
      { id, outputs: outputs("failed") },
      `error waiting for creating GKE NodePool: All cluster resources were brought up, but the nodes of ${text(inputs["name"])} are unhealthy (after ${nodeMinutes} minutes)`,
    );
  },
  async update(stored, inputs, around) {
    const [was, now] = [sizeOf(stored.inputs), sizeOf(inputs)];
    if (now < was) await leave(stored.inputs, now, around);
    if (now > was && !(await join(inputs, was, now, around))) {
      throw new Error(
        `error waiting for resizing GKE NodePool: its new nodes are unhealthy (after ${nodeMinutes} minutes)`,
      );
    }
    // Another version or configuration: GKE puts new nodes in the place of the old ones.
    if (stored.inputs["version"] !== inputs["version"]) await around.clock.pass(10, around.subject.signal);
    return {};
  },
  async remove(stored, around) {
    await leave(stored.inputs, 0, around);
    await around.clock.pass(2, around.subject.signal);
  },
};
