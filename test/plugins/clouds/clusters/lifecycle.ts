// SPDX-License-Identifier: Apache-2.0
// Makes, watches and ends the clusters of a simulated account, whichever kind the account has.
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Account } from "../account.ts";
import type { Endpoint } from "./api-client.ts";
import { apiServerClusters } from "./api-server-clusters.ts";
import { type ClusterPlan, type Clusters, folderOf, readyNodeNames } from "./cluster.ts";
import { machineClusters } from "./machine-clusters.ts";

export const clustersOf = (account: Account): Clusters =>
  account.settings.clusters === "machines" ? machineClusters(account) : apiServerClusters();

export const createCluster = async (
  account: Account,
  plan: ClusterPlan,
  log: (line: string) => void,
  signal: AbortSignal,
): Promise<Endpoint> => {
  const directory = folderOf(account, plan.id);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  writeFileSync(join(directory, "plan.json"), JSON.stringify(plan));
  try {
    return await clustersOf(account).create(directory, plan, log, signal);
  } catch (error) {
    // Nobody will know of it any more: what has begun is taken back.
    await deleteCluster(account, plan.id);
    throw error;
  }
};

export const deleteCluster = async (account: Account, id: string): Promise<void> => {
  const directory = folderOf(account, id);
  if (!existsSync(directory)) return;
  await clustersOf(account).delete(directory);
  rmSync(directory, { recursive: true, force: true });
};

/** Names of the nodes that are Ready, after the platform has done its part. */
export const readyNodes = async (account: Account, id: string): Promise<string[]> => {
  const directory = folderOf(account, id);
  await clustersOf(account).tend(directory);
  return await readyNodeNames(directory);
};
