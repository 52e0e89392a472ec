// SPDX-License-Identifier: Apache-2.0
// What a simulated cloud's cluster is: a folder of the account, a control plane that really answers, nodes, a pod network.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Account } from "../account.ts";
import { ApiClient, type Endpoint } from "./api-client.ts";

export interface Taint {
  readonly key: string;
  readonly value?: string;
  /** As Kubernetes spells it, such as `NoExecute`. */
  readonly effect: string;
}

export interface NodePlan {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
}

/** What a cloud tells the cluster about its surroundings: the load balancers of its Services are made there. */
export interface Surrounded {
  readonly cloud: "aws" | "gcp";
  readonly cluster: string;
  readonly region: string;
  readonly networkId: string;
  readonly subnetIds: readonly string[];
}

export interface ClusterPlan {
  /** Names the folder, and so the cluster, in the account. */
  readonly id: string;
  readonly serviceCidr: string;
  /** Where the platform's own pod network gets its addresses from. */
  readonly podCidr: string;
  /** Nodes are born with kube-proxy as a static Pod. */
  readonly kubeProxyOnNodes: boolean;
  readonly surroundings: Surrounded;
}

/** How clusters come to be: hollow ones for the order of things, or machines that really serve. */
export interface Clusters {
  create(directory: string, plan: ClusterPlan, log: (line: string) => void, signal: AbortSignal): Promise<Endpoint>;
  delete(directory: string): Promise<void>;
  /** Lets nodes join; they need not be ready. */
  addNodes(
    directory: string,
    nodes: readonly NodePlan[],
    log: (line: string) => void,
    signal: AbortSignal,
  ): Promise<void>;
  removeNodes(directory: string, names: readonly string[]): Promise<void>;
  /** Gives the nodes that are there the platform's pod network, and notes that later ones get it as well. */
  installPodNetwork(directory: string): Promise<void>;
  /** Installs the cluster's DNS, whose Pods wait for nodes. */
  installDns(directory: string): Promise<void>;
  /** True when the DNS serves. */
  dnsReady(directory: string): Promise<boolean>;
  /** Called again and again while somebody waits for nodes. */
  tend(directory: string): Promise<void>;
}

export const folderOf = (account: Account, id: string): string => join(account.directory, "clusters", id);

export const planOf = (directory: string): ClusterPlan =>
  JSON.parse(readFileSync(join(directory, "plan.json"), "utf8")) as ClusterPlan;

const podNetworkMark = (directory: string): string => join(directory, "pod-network");
export const hasPodNetwork = (directory: string): boolean => existsSync(podNetworkMark(directory));
export const markPodNetwork = (directory: string): void => writeFileSync(podNetworkMark(directory), "");

/** Names of the nodes that the cluster's API calls Ready. */
export const readyNodeNames = async (directory: string): Promise<string[]> => {
  const { body } = await clientOf(directory).require([200], "GET", "/api/v1/nodes");
  return (body.items as NodeObject[])
    .filter(({ status }) => status.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True"))
    .map(({ metadata }) => metadata.name);
};

interface NodeObject {
  readonly metadata: { readonly name: string };
  readonly status: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

export const clientOf = (directory: string): ApiClient => {
  const client = ApiClient.of(directory);
  if (client === undefined) throw new Error(`${directory} is no cluster that runs`);
  return client;
};
