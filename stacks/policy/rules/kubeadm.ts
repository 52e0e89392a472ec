// SPDX-License-Identifier: Apache-2.0
// The rule that no command gives kubeadm a configuration, or a command line, with which it installs kube-proxy.

import { parseAllDocuments } from "yaml";
import { at, listAt, type ResourceRule, type StackResource } from "../rule.ts";

const phase = "addon/kube-proxy";

/** The texts that a command sends or runs, as far as they are known. */
function textsOf({ props }: StackResource): string[] {
  return ["create", "update", "stdin"].map((key) => props[key]).filter((text) => typeof text === "string");
}

/** Pieces of a text that look like kubeadm's YAML, whatever script they stand in. */
function kubeadmDocuments(text: string): unknown[] {
  const pieces =
    text.match(/apiVersion: ["']?kubeadm\.k8s\.io\/[^\n]*\n(?:(?!['"]?\n\w+=)[\s\S])*?(?=\n?---|'\n|\nEOF|$)/g) ?? [];
  return pieces.flatMap((piece) => parseAllDocuments(piece).map((document) => document.toJS() as unknown));
}

const skips = (document: unknown, ...path: string[]): boolean =>
  listAt(document, ...path, "skipPhases").includes(phase);

function documentViolations(document: unknown): string[] {
  switch (at(document, "kind")) {
    case "InitConfiguration":
      // Without a node to register, it is read to upload certificates only.
      return at(document, "nodeRegistration") === undefined || skips(document)
        ? []
        : [`has an InitConfiguration whose skipPhases lack "${phase}"`];
    case "ClusterConfiguration":
      return at(document, "proxy", "disabled") === true
        ? []
        : ["has a ClusterConfiguration in which proxy.disabled is not true"];
    case "UpgradeConfiguration":
      return ["apply", "node"]
        .filter((part) => !skips(document, part))
        .map((part) => `has an UpgradeConfiguration whose ${part}.skipPhases lack "${phase}"`);
    default:
      return [];
  }
}

/** `kubeadm init` where a shell would run it, and not where a comment or a message speaks of it. */
const runsInit =
  /^\s*(?:(?:sudo|env|exec|timeout|nice)\s+(?:[-\d]\S*\s+|[A-Z_]+=\S*\s+)*|[A-Z_]+=\S*\s+)*kubeadm\s+init(?!\s+phase\b)(?:\s|$)/;

/** `kubeadm init` without a file says everything on its command line. */
function commandViolations(text: string): string[] {
  const commands = text.replaceAll("\\\n", " ").split(/\n|&&|\|\||[;|(]/);
  return commands.some((line) => runsInit.test(line) && !line.includes("--config") && !line.includes(phase))
    ? [`runs "kubeadm init" without --skip-phases=${phase}`]
    : [];
}

/** kubeadm, in the commands of a stack. */
export const kubeadmRule: ResourceRule = {
  name: "kubeadm-without-kube-proxy",
  description: "kubeadm is told, at the start and for every upgrade, not to install kube-proxy.",
  remedy: `Set proxy.disabled: true in the ClusterConfiguration and skipPhases: ["${phase}"] in the Init- and UpgradeConfiguration, or use BareMetalCluster.`,
  violations(resource) {
    if (!resource.type.startsWith("command:")) return [];
    const found = textsOf(resource).flatMap((text) => [
      ...kubeadmDocuments(text).flatMap(documentViolations),
      ...commandViolations(text),
    ]);
    return [...new Set(found)];
  },
};
