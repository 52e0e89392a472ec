// SPDX-License-Identifier: Apache-2.0
// Makes helm's releases usable again whose installation or upgrade was interrupted: helm itself refuses to go on.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { run } from "../host/exec.ts";
import { clone } from "../host/paths.ts";
import { say } from "../host/progress.ts";
import type { PendingOperation } from "./recovery.ts";

type Helm = (args: readonly string[]) => Promise<string>;

/** Longer than a cluster that answers needs. */
const helmMs = 120_000;

/** The interrupted operations whose releases could not be mended; without a kubeconfig there is no cluster with any. */
export async function mendReleases(operations: readonly PendingOperation[]): Promise<PendingOperation[]> {
  if (!existsSync(clone.kubeconfig)) return [];
  const env = { ...process.env, KUBECONFIG: clone.kubeconfig };
  const helm: Helm = (args) => run(join(clone.bin, "helm"), args, { env, signal: AbortSignal.timeout(helmMs) });
  return await mendReleasesWith(helm, operations);
}

export async function mendReleasesWith(
  helm: Helm,
  operations: readonly PendingOperation[],
): Promise<PendingOperation[]> {
  const left: PendingOperation[] = [];
  for (const operation of operations) {
    try {
      await mendRelease(helm, operation);
    } catch (error) {
      // The cluster may not answer yet, as after a restart of the box: the update starts its machines again.
      left.push(operation);
      say(`  helm's release cannot be mended now: ${error instanceof Error ? error.message : error}`);
      say("  should the update end at it, run `npm run up` once more when the machines run");
    }
  }
  return left;
}

async function mendRelease(helm: Helm, { type, resource }: PendingOperation): Promise<void> {
  const { name, namespace } = resource.inputs ?? {};
  if (resource.type !== "kubernetes:helm.sh/v3:Release") return;
  if (typeof name !== "string" || typeof namespace !== "string") return;
  const where = `--namespace=${namespace}`;
  // Pulumi knows nothing of this installation, and helm gives a name only once.
  if (type === "creating") await helm(["uninstall", name, where, "--ignore-not-found"]);
  else if (type === "updating") await undoUpgrade(helm, name, where);
}

/** helm takes an interrupted upgrade for one that still runs. */
async function undoUpgrade(helm: Helm, name: string, where: string): Promise<void> {
  const text = await helm(["history", name, where, "--output=json"]);
  const history = JSON.parse(text) as { readonly revision: number; readonly status: string }[];
  if (!history.at(-1)?.status.startsWith("pending-")) return;
  const deployed = history.findLast(({ status }) => status === "deployed");
  if (deployed !== undefined) await helm(["rollback", name, String(deployed.revision), where]);
}
