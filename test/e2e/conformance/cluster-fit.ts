// SPDX-License-Identifier: Apache-2.0
// Makes the cluster what the suite expects (pods on every node, zones, DNS that answers) and puts back what it changed.
import { run } from "../../../stacks/local/host/exec.ts";
import { step, until } from "../../../stacks/local/host/progress.ts";

interface Node {
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> };
  readonly spec: {
    readonly taints?: readonly { readonly key: string; readonly effect: string }[];
    readonly podCIDRs?: readonly string[];
  };
  readonly status: { readonly conditions: readonly { readonly type: string; readonly status: string }[] };
}

interface Deployment {
  readonly spec: { readonly replicas: number };
  readonly status: { readonly availableReplicas?: number };
}

export type Kubectl = (...args: string[]) => Promise<string>;

export const kubectlWith =
  (program: string, kubeconfig: string): Kubectl =>
  async (...args) =>
    await run(program, ["--kubeconfig", kubeconfig, ...args]);

const zoneLabel = "topology.kubernetes.io/zone";
/** As many zones as the suite's tests of traffic distribution ask for. */
const zones = ["zone-a", "zone-b", "zone-c"];
const controlPlaneTaint = "node-role.kubernetes.io/control-plane";
const readyTimeoutMs = 300_000;

/** Changes the cluster for the tests; the returned function undoes exactly these changes. */
export async function fitCluster(kubectl: Kubectl): Promise<() => Promise<void>> {
  const undo: (readonly string[])[] = [];
  const putBack = async () => {
    for (const args of undo.splice(0).reverse()) await kubectl(...args);
  };
  try {
    await step("cluster made fit for the tests", async (note) => {
      await until("every node is ready and cluster DNS is up", readyTimeoutMs, async () => {
        const waiting = [...(await nodesNotReady(kubectl)), ...(await dnsNotReady(kubectl))];
        note(`waiting for ${waiting.join(", ")}`);
        return waiting.length === 0 ? true : undefined;
      });
      for (const [index, node] of (await nodes(kubectl)).entries()) await fitNode(kubectl, node, index, undo);
    });
  } catch (error) {
    await putBack();
    throw error;
  }
  return putBack;
}

/** True when every node gives its pods addresses of both families. */
export async function isDualStack(kubectl: Kubectl): Promise<boolean> {
  const all = await nodes(kubectl);
  return all.every(({ spec }) => [".", ":"].every((mark) => spec.podCIDRs?.some((cidr) => cidr.includes(mark))));
}

async function fitNode(kubectl: Kubectl, node: Node, index: number, undo: (readonly string[])[]): Promise<void> {
  const { name, labels } = node.metadata;
  for (const { key, effect } of node.spec.taints ?? []) {
    if (key !== controlPlaneTaint) continue;
    await kubectl("taint", "node", name, `${key}:${effect}-`);
    undo.push(["taint", "node", name, `${key}=:${effect}`]);
  }
  if (labels[zoneLabel] === undefined) {
    await kubectl("label", "node", name, `${zoneLabel}=${zones[index % zones.length]}`);
    undo.push(["label", "node", name, `${zoneLabel}-`]);
  }
}

async function nodes(kubectl: Kubectl): Promise<readonly Node[]> {
  return (JSON.parse(await kubectl("get", "nodes", "-o", "json")) as { items: Node[] }).items;
}

async function nodesNotReady(kubectl: Kubectl): Promise<string[]> {
  return (await nodes(kubectl))
    .filter(({ status }) => !status.conditions.some(({ type, status: is }) => type === "Ready" && is === "True"))
    .map(({ metadata }) => `node ${metadata.name}`);
}

async function dnsNotReady(kubectl: Kubectl): Promise<string[]> {
  const text = await kubectl("-n", "kube-system", "get", "deployment", "coredns", "-o", "json");
  const { spec, status } = JSON.parse(text) as Deployment;
  return (status.availableReplicas ?? 0) >= spec.replicas ? [] : ["cluster DNS"];
}
