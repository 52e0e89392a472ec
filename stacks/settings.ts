// SPDX-License-Identifier: Apache-2.0
// Reads the parts of a stack's configuration that are inputs of components: each a tree, checked by its component.

import * as pulumi from "@pulumi/pulumi";
import { mergeValues } from "../components/internal/agent-values.ts";
import { valueAt } from "../components/internal/datapath-rules.ts";

/** Where values come from: Pulumi's configuration. */
export interface Source {
  get(key: string): string | undefined;
}

/** The tree under a key of `sansproxy:`, or the default; what is not of its kind is refused before anything is made. */
export function readTree<T extends object>(config: Source, key: string, fallback: T): T {
  const text = config.get(key);
  if (text === undefined) return fallback;
  const list = Array.isArray(fallback);
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && Array.isArray(value) === list) return value as T;
  } catch {
    // Said below, for every text that is no tree.
  }
  throw new pulumi.RunError(
    `The configuration sansproxy:${key} is ${JSON.stringify(text)}, but it has to be ${list ? "a list" : "an object"} (pulumi config set --path 'sansproxy:${key}${list ? "[0].name" : ".NAME"}' VALUE).`,
  );
}

/** What a stack says of the datapath: inputs of Datapath, besides its cluster. */
export interface DatapathSettings {
  readonly engine?: string;
  readonly version?: string;
  readonly [key: string]: unknown;
}

/** The datapath of all of a program's clusters, or what a key of its own says of one. */
export function readDatapath(config: Source, key = "datapath"): DatapathSettings {
  const datapath = readTree<DatapathSettings>(config, key, {});
  if (datapath["cluster"] === undefined) return datapath;
  throw new pulumi.RunError(
    `The configuration sansproxy:${key}.cluster is given, but the stack makes the cluster itself; leave it out (pulumi config rm --path sansproxy:${key}.cluster).`,
  );
}

/** The taint that the nodes have to be born with, where Cilium was told to remove another one than its own. */
export function chosenTaint(datapath: DatapathSettings): { notReadyTaintKey?: string } {
  const key = valueAt(datapath, "helmValues.agentNotReadyTaintKey") ?? datapath["agentNotReadyTaintKey"];
  return typeof key === "string" ? { notReadyTaintKey: key } : {};
}

/** The datapath for so many nodes: Cilium's operator has a node for each replica, and its second would wait for ever. */
export function operatorFor(nodes: number, datapath: DatapathSettings): DatapathSettings {
  if (datapath.engine !== "cilium" || nodes !== 1) return datapath;
  return mergeValues({ operator: { replicas: 1 } }, datapath);
}

/** What a stack says of its own proof: inputs of Verification. */
export interface VerificationSettings {
  /** Image of the probes, which a cluster without our agent needs. */
  readonly image?: string;
  readonly timeoutSeconds?: number;
}

const verificationKinds: Readonly<Record<keyof VerificationSettings, string>> = {
  image: "string",
  timeoutSeconds: "number",
};

/** The verification of all of a program's clusters. */
export function readVerification(config: Source): VerificationSettings {
  const verification = readTree<VerificationSettings>(config, "verification", {});
  for (const [key, value] of Object.entries(verification)) {
    const kind: string | undefined = verificationKinds[key as keyof VerificationSettings];
    if (kind === typeof value) continue;
    const known = Object.keys(verificationKinds).join(" and ");
    throw new pulumi.RunError(
      kind === undefined
        ? `The configuration sansproxy:verification.${key} is given, and there are only ${known}; leave it out (pulumi config rm --path sansproxy:verification.${key}).`
        : `The configuration sansproxy:verification.${key} is ${JSON.stringify(value)}, but it has to be a ${kind} (pulumi config set --path sansproxy:verification.${key} VALUE).`,
    );
  }
  return verification;
}
