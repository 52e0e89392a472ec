// SPDX-License-Identifier: Apache-2.0
// Turns the stack's outputs into the lines a person reads at the end of `up`. No secret is among them.

import { relative } from "node:path";
import { repository } from "../host/paths.ts";

export interface StackOutputs {
  readonly nodes?: readonly { readonly name: string; readonly address: string; readonly role: string }[];
  /** The checks and results, as a table for a person. */
  readonly verificationTable?: string;
}

export function summaryLines(outputs: StackOutputs, kubeconfig: string, took: string): string[] {
  const nodes = outputs.nodes ?? [];
  const width = Math.max(4, ...nodes.map((node) => node.name.length));
  const lines = ["Nodes:"];
  for (const node of nodes) lines.push(`  ${node.name.padEnd(width)}  ${node.address.padEnd(15)}  ${node.role}`);
  if (outputs.verificationTable) lines.push("", "Checks:", ...indented(outputs.verificationTable));
  lines.push(
    "",
    `kubeconfig: ${relative(repository, kubeconfig)} (readable by its owner only)`,
    "",
    "Try:",
    "  npm run kubectl -- get nodes -o wide",
    "  npm run kubectl -- get pods --all-namespaces",
    "  npm run verify",
    "",
    `Kubernetes without kube-proxy is up. ${took} in all. \`npm run down\` removes it.`,
  );
  return lines;
}

function indented(text: string): string[] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => `  ${line}`);
}
