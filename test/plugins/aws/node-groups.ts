// SPDX-License-Identifier: Apache-2.0
// Simulates EKS' managed node groups: nodes join for real, and a group whose nodes do not become Ready hangs, and then fails.
import { newId } from "../clouds/account.ts";
import { folderOf, type NodePlan } from "../clouds/clusters/cluster.ts";
import { clustersOf, readyNodes } from "../clouds/clusters/lifecycle.ts";
import { CreatedInFailure, type Kind, record, type Surroundings, text, valuesAt } from "../clouds/kind.ts";
import type { CheckFailure } from "../provider.ts";
import { type Dict, isDict, Unknown, type Value } from "../values.ts";
import { clusterId, inCluster, tokens, versions } from "./clusters.ts";
import { byArn, tokens as identity } from "./identity.ts";
import { arn, tokens as network, refer } from "./network.ts";

/** EKS waits so long for nodes to become Ready before it gives up. */
const nodeMinutes = 35;

/** EKS' own spelling, and what Kubernetes makes of it. */
const effects: Readonly<Record<string, string>> = {
  NO_SCHEDULE: "NoSchedule",
  NO_EXECUTE: "NoExecute",
  PREFER_NO_SCHEDULE: "PreferNoSchedule",
};
const capacityTypes = ["ON_DEMAND", "SPOT", "CAPACITY_BLOCK"];
const requiredPolicies = ["AmazonEKSWorkerNodePolicy"];

export const taintFailures = (taints: Value | undefined): CheckFailure[] =>
  (Array.isArray(taints) ? taints : []).flatMap((taint, index) => {
    const effect = isDict(taint) ? taint["effect"] : undefined;
    if (effect === undefined || effect instanceof Unknown || text(effect) in effects) return [];
    const right = Object.entries(effects).find(([, kubernetes]) => kubernetes === effect)?.[0];
    const hint = right === undefined ? "" : `; Kubernetes' ${text(effect)} is ${right} in this API`;
    return [
      {
        property: `taints[${index}].effect`,
        reason: `"${text(effect)}" is not one of ${Object.keys(effects).join(", ")}${hint}`,
      },
    ];
  });

const sizes = (inputs: Dict): { min: number; desired: number; max: number } => {
  const { minSize, desiredSize, maxSize } = record(inputs["scalingConfig"]);
  return { min: Number(minSize), desired: Number(desiredSize), max: Number(maxSize) };
};

const check = (inputs: Dict): CheckFailure[] => {
  const failures = taintFailures(inputs["taints"]);
  const { min, desired, max } = sizes(inputs);
  if (min > desired || desired > max) {
    failures.push({
      property: "scalingConfig",
      reason: `desiredSize ${desired} has to lie between minSize ${min} and maxSize ${max}`,
    });
  }
  const capacity = inputs["capacityType"];
  if (typeof capacity === "string" && !capacityTypes.includes(capacity)) {
    failures.push({ property: "capacityType", reason: `"${capacity}" is not one of ${capacityTypes.join(", ")}` });
  }
  const update = record(inputs["updateConfig"]);
  if (update["maxUnavailable"] !== undefined && update["maxUnavailablePercentage"] !== undefined) {
    failures.push({
      property: "updateConfig",
      reason: "takes one of maxUnavailable and maxUnavailablePercentage, not both",
    });
  }
  if (inputs["launchTemplate"] !== undefined && inputs["diskSize"] !== undefined) {
    failures.push({ property: "diskSize", reason: "belongs into the launch template when there is one" });
  }
  return failures;
};

const plans = (inputs: Dict, from: number, to: number): NodePlan[] => {
  const group = text(inputs["nodeGroupName"]);
  const labels = Object.entries(record(inputs["labels"])).map(([key, value]) => [key, text(value)]);
  const taints = (Array.isArray(inputs["taints"]) ? inputs["taints"] : []).map(record);
  return Array.from({ length: Math.max(0, to - from) }, (_, index) => ({
    name: `${group}-${from + index + 1}`,
    labels: { ...Object.fromEntries(labels), "eks.amazonaws.com/nodegroup": group },
    taints: taints.map(({ key, value, effect }) => ({
      key: text(key),
      effect: effects[text(effect)] ?? "",
      ...(value === undefined ? {} : { value: text(value) }),
    })),
  }));
};

/** An instance's own interface goes with it; those that a CNI has put beside it can be left behind. */
const interfaceOf = (node: string): string => `eni-${Buffer.from(node).toString("hex").slice(-17).padStart(17, "0")}`;

const join = async (inputs: Dict, from: number, to: number, around: Surroundings): Promise<boolean> => {
  const { account, clock, subject } = around;
  const id = clusterId(text(inputs["clusterName"]));
  const nodes = plans(inputs, from, to);
  const say = (line: string): void => subject.log("info", `simulated eks: ${line}`, { ephemeral: true });
  const subnets = valuesAt(inputs, "subnetIds").map(text);
  for (const [index, { name }] of nodes.entries()) {
    const interfaceInputs = { subnetId: subnets[index % subnets.length] ?? "", description: `node ${name}` };
    account.put({
      type: network.interface,
      id: interfaceOf(name),
      name,
      inputs: interfaceInputs,
      outputs: interfaceInputs,
    });
  }
  await clustersOf(account).addNodes(folderOf(account, id), nodes, say, subject.signal);
  const ready = await clock.until(nodeMinutes, subject.signal, async () => {
    const names = await readyNodes(account, id);
    return nodes.every(({ name }) => names.includes(name)) ? true : undefined;
  });
  return ready === true;
};

const leave = async (
  stored: { readonly inputs: Dict },
  names: readonly string[],
  { account }: Surroundings,
): Promise<void> => {
  const directory = folderOf(account, clusterId(text(stored.inputs["clusterName"])));
  await clustersOf(account).removeNodes(directory, names);
  for (const name of names) account.remove(network.interface, interfaceOf(name));
};

const names = (inputs: Dict, count: number): string[] => plans(inputs, 0, count).map(({ name }) => name);

export const nodeGroup: Kind = {
  token: tokens.nodeGroup,
  autoName: "nodeGroupName",
  immutable: [
    ...["clusterName", "nodeGroupName", "nodeGroupNamePrefix", "nodeRoleArn", "subnetIds", "instanceTypes", "amiType"],
    ...["capacityType", "diskSize", "remoteAccess"],
  ],
  computed: ["arn", "resources", "status"],
  references: {
    clusterName: inCluster(true),
    nodeRoleArn: byArn,
    subnetIds: refer(network.subnet, "InvalidParameterException: The subnet ID does not exist"),
  },
  check,
  broken: (outputs) => (outputs["status"] === "CREATE_FAILED" ? "status" : undefined),
  async create(inputs, around) {
    const { account, settings } = around;
    const [clusterName, name] = [text(inputs["clusterName"]), text(inputs["nodeGroupName"])];
    const id = `${clusterName}:${name}`;
    if (account.get(tokens.nodeGroup, id) !== undefined)
      throw new Error(`ResourceInUseException: NodeGroup already exists with name ${name}`);
    requirePolicies(inputs, around);
    const outputs = (status: string): Dict => ({
      arn: arn("eks", settings["region"] ?? "", `nodegroup/${clusterName}/${name}/${newId("")}`),
      resources: [{ autoscalingGroups: [{ name: `eks-${name}` }] }],
      status,
    });
    if (await join(inputs, 0, sizes(inputs).desired, around)) return { id, outputs: outputs("ACTIVE") };
    throw new CreatedInFailure(
      { id, outputs: outputs("CREATE_FAILED") },
      `waiting for EKS Node Group (${id}) create: unexpected state 'CREATE_FAILED', wanted target 'ACTIVE'. last error: NodeCreationFailure: Unhealthy nodes in the kubernetes cluster (after ${nodeMinutes} minutes)`,
    );
  },
  async update(stored, inputs, around) {
    const [before, after] = [stored.inputs["version"], inputs["version"]].map((value) => versions.indexOf(text(value)));
    const control = around.account
      .list(tokens.cluster)
      .find(({ outputs }) => outputs["name"] === inputs["clusterName"]);
    if ((after ?? -1) > versions.indexOf(text(control?.outputs["version"]))) {
      throw new Error("InvalidRequestException: Requested Nodegroup Version is higher than its cluster's");
    }
    const [was, now] = [sizes(stored.inputs).desired, sizes(inputs).desired];
    if (now < was) await leave(stored, names(stored.inputs, was).slice(now), around);
    // Another version or other taints: AWS puts new nodes in the place of the old ones.
    if (before !== after) await around.clock.pass(10, around.subject.signal);
    if (now > was && !(await join(inputs, was, now, around))) {
      throw new Error(`NodeCreationFailure: Unhealthy nodes in the kubernetes cluster (after ${nodeMinutes} minutes)`);
    }
    return {};
  },
  async remove(stored, around) {
    await leave(stored, names(stored.inputs, sizes(stored.inputs).desired), around);
    await around.clock.pass(3, around.subject.signal);
  },
};

/** Without these a node cannot ask the cluster for anything. */
const requirePolicies = (inputs: Dict, { account }: Surroundings): void => {
  const role = account.list(identity.role).find(({ outputs }) => outputs["arn"] === inputs["nodeRoleArn"]);
  const attached = account
    .list(identity.attachment)
    .filter(({ inputs: its }) => [role?.id, role?.outputs["name"]].includes(text(its["role"])))
    .map(({ inputs: its }) => text(its["policyArn"]));
  for (const policy of requiredPolicies) {
    if (!attached.some((its) => its.endsWith(`/${policy}`))) {
      throw new Error(
        `InvalidParameterException: The role ${text(inputs["nodeRoleArn"])} lacks ${policy}: its nodes cannot join`,
      );
    }
  }
};
