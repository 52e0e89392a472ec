// SPDX-License-Identifier: Apache-2.0
// Waits until a created or changed object does its work: less finely than the official plugin, by kubectl's own conditions.
import type { Subject } from "../provider.ts";
import { type Dict, isDict, reveal } from "../values.ts";
import type { Cluster } from "./cluster.ts";

const defaultSeconds: Readonly<Record<string, number>> = { Deployment: 600, DaemonSet: 600, StatefulSet: 600 };

const condition = (kind: string, seconds: number): string[] | undefined => {
  switch (kind) {
    case "Deployment":
    case "DaemonSet":
    case "StatefulSet":
      return ["rollout", "status", `--timeout=${seconds}s`];
    case "Pod":
      return ["wait", "--for=condition=Ready", `--timeout=${seconds}s`];
    case "Job":
      return ["wait", "--for=condition=Complete", `--timeout=${seconds}s`];
    case "CustomResourceDefinition":
      return ["wait", "--for=condition=Established", `--timeout=${seconds}s`];
    default:
      return undefined;
  }
};

/** Why the object did not become ready; undefined when it did, or when there is nothing to wait for. */
export const waitUntilReady = async (
  cluster: Cluster,
  subject: Subject,
  inputs: Dict,
  live: Record<string, unknown>,
): Promise<string | undefined> => {
  const kind = String(inputs["kind"]);
  const seconds = subject.timeoutSeconds > 0 ? subject.timeoutSeconds : (defaultSeconds[kind] ?? 300);
  const command = condition(kind, seconds);
  const metadata = reveal(inputs["metadata"] ?? null);
  const annotations = isDict(metadata) ? metadata["annotations"] : undefined;
  const skip = isDict(annotations ?? null) && (annotations as Dict)["pulumi.com/skipAwait"] === "true";
  if (command === undefined || skip) return undefined;
  subject.log("info", `waiting until ${kind} is ready`, { ephemeral: true });
  const { code, stderr, stdout } = await cluster.kubectl([...command, "--filename=-"], {
    signal: subject.signal,
    stdin: JSON.stringify(live),
  });
  return code === 0 ? undefined : `${kind} ${subject.name} did not become ready: ${(stderr || stdout).trim()}`;
};
