// SPDX-License-Identifier: Apache-2.0
// Makes the cluster what the suite expects (pods on every node, zones, DNS that answers) and puts back what it changed.
import { isIPv4 } from "node:net";
import { run } from "../../../stacks/local/host/exec.ts";
import { step, until } from "../../../stacks/local/host/progress.ts";

interface Node {
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> };
  readonly spec: {
    readonly taints?: readonly { readonly key: string; readonly effect: string }[];
    readonly podCIDRs?: readonly string[];
  };
  readonly status: {
    readonly conditions: readonly { readonly type: string; readonly status: string }[];
    readonly addresses: readonly { readonly type: string; readonly address: string }[];
  };
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
/** With this many workers the control plane is not needed for pods, and stays out as in most clusters. */
const enoughWorkers = zones.length;
/** Label and taint of control planes have the same name. */
const controlPlane = "node-role.kubernetes.io/control-plane";
/** kubeadm gives it to control planes. */
export const excludedFromBalancers = "node.kubernetes.io/exclude-from-external-load-balancers";
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
      const all = await nodes(kubectl);
      const workers = all.filter((node) => !isControlPlane(node));
      // Workers first: endpoints' hints are made from the zones that workers are in.
      const ordered = [...workers, ...all.filter(isControlPlane)];
      for (const [index, node] of ordered.entries()) await labelZone(kubectl, node, index, undo);
      if (workers.length >= enoughWorkers) return;
      for (const node of all.filter(isControlPlane)) await admitPods(kubectl, node, undo);
    });
  } catch (error) {
    await putBack();
    throw error;
  }
  return putBack;
}

/** An IPv4 address of one node, among the machines. */
export async function nodeAddress(kubectl: Kubectl): Promise<string> {
  const addresses = (await nodes(kubectl)).flatMap(({ status }) => status.addresses);
  const found = addresses.find(({ type, address }) => type === "InternalIP" && isIPv4(address));
  if (found === undefined) throw new Error("No node of the cluster has an internal IPv4 address.");
  return found.address;
}

/** What a cluster has that some tests need. */
export interface ClusterShape {
  readonly workers: number;
  /** Every node gives its pods addresses of both families. */
  readonly dualStack: boolean;
}

export async function clusterShape(kubectl: Kubectl): Promise<ClusterShape> {
  const all = await nodes(kubectl);
  const hasBoth = ({ spec }: Node) => [".", ":"].every((mark) => spec.podCIDRs?.some((cidr) => cidr.includes(mark)));
  return { workers: all.filter((node) => !isControlPlane(node)).length, dualStack: all.every(hasBoth) };
}

const isControlPlane = (node: Node): boolean => Object.hasOwn(node.metadata.labels, controlPlane);

/** Where pods may be, load balancers must lead: tests of externalTrafficPolicy Local choose any node that takes pods. */
async function admitPods(kubectl: Kubectl, { metadata, spec }: Node, undo: (readonly string[])[]): Promise<void> {
  for (const { key, effect } of spec.taints ?? []) {
    if (key !== controlPlane) continue;
    await kubectl("taint", "node", metadata.name, `${key}:${effect}-`);
    undo.push(["taint", "node", metadata.name, `${key}=:${effect}`]);
  }
  const excluded = metadata.labels[excludedFromBalancers];
  if (excluded === undefined) return;
  await kubectl("label", "node", metadata.name, `${excludedFromBalancers}-`);
  undo.push(["label", "node", metadata.name, `${excludedFromBalancers}=${excluded}`]);
}

async function labelZone(
  kubectl: Kubectl,
  { metadata }: Node,
  index: number,
  undo: (readonly string[])[],
): Promise<void> {
  if (metadata.labels[zoneLabel] !== undefined) return;
  await kubectl("label", "node", metadata.name, `${zoneLabel}=${zones[index % zones.length]}`);
  undo.push(["label", "node", metadata.name, `${zoneLabel}-`]);
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
