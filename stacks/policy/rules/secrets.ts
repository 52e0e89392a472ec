// SPDX-License-Identifier: Apache-2.0
// The rules for what must not be seen or faked: kubeconfigs, and the hosts that SSH logs in to.

import { at, type Plain, type ResourceRule, unknownYet } from "../rule.ts";

const readsKubeconfig =
  /\/etc\/kubernetes\/(super-)?admin\.conf|k3s\.yaml|kubeadm\s+kubeconfig|eks\s+update-kubeconfig|get-credentials/;
/** Commands whose point is something else, and that only use the file where it is. */
const printsIt = /\b(cat|base64|kubeadm\s+kubeconfig|tee|update-kubeconfig|get-credentials)\b/;

/**
 * A policy is not told which inputs are secret, only which outputs: a command that prints a kubeconfig has to say so.
 * What a stack gives as output is checked by `sansproxy review`, which sees it.
 */
export const kubeconfigRule: ResourceRule = {
  name: "kubeconfig-secret",
  description: "What a command prints of a kubeconfig is secret, and not logged.",
  remedy: 'Give the command additionalSecretOutputs: ["stdout", "stderr"] and logging: "none".',
  violations({ type, props, additionalSecretOutputs }) {
    if (!/^command:(remote|local):Command$/.test(type)) return [];
    const texts = ["create", "update", "stdin"].map((key) => props[key]).filter((text) => typeof text === "string");
    const printing = texts.some((text) =>
      text.split("\n").some((line) => readsKubeconfig.test(line) && printsIt.test(line) && !/[^2]>\s*\S/.test(line)),
    );
    if (!printing) return [];
    // What is sealed on the host is not readable in the output.
    if (texts.some((text) => text.includes("SEAL_KEY="))) return [];
    return [
      ...(additionalSecretOutputs.includes("stdout") ? [] : ["prints a kubeconfig into an output that is not secret"]),
      ...(props["logging"] === "none" || props["logging"] === "stderr" ? [] : ["prints a kubeconfig into the log"]),
    ];
  },
};

function unchecked(connection: unknown, what: string): string[] {
  if (typeof connection !== "object" || connection === null) return [];
  const key = (connection as Plain)["hostKey"];
  return key === unknownYet || (typeof key === "string" && key.trim() !== "")
    ? []
    : [
        `logs in to ${what} ${hostOf(connection)} without checking its key, so that anyone in between can take its place`,
      ];
}

const hostOf = (connection: unknown): string => {
  const host = at(connection, "host");
  return typeof host === "string" ? `"${host}"` : "(an address that is not known yet)";
};

/** SSH, in the commands and copies of a stack. */
export const hostKeyRule: ResourceRule = {
  name: "ssh-host-key",
  description: "SSH checks the key of every host and bastion.",
  remedy: "Give connection.hostKey (and connection.proxy.hostKey); with BareMetalCluster give every host its hostKey.",
  violations({ type, props }) {
    if (!type.startsWith("command:remote:")) return [];
    return [...unchecked(props["connection"], "host"), ...unchecked(at(props, "connection", "proxy"), "bastion")];
  },
};
