// SPDX-License-Identifier: Apache-2.0
// Checks a kubernetes provider's configuration, and says whether a change of it means another cluster.

import { existsSync } from "node:fs";
import { KubeConfig } from "@kubernetes/client-node";
import { difference, propertyOf } from "../difference.ts";
import type { Checked, Differs } from "../provider.ts";
import { containsUnknown, type Dict, reveal } from "../values.ts";

/** The settings of the official provider; those in the second row change nothing in this stand-in. */
const known = new Set([
  ...["kubeconfig", "context", "namespace", "clusterIdentifier", "deleteUnreachable", "skipUpdateUnreachable"],
  ...["enablePatchForce", "enableConfigMapMutable", "enableSecretMutable", "upsertExistingObjects"],
  ...["enableServerSideApply", "helmReleaseSettings", "version", "pluginDownloadURL"],
  ...["suppressDeprecationWarnings", "suppressHelmHookWarnings", "kubeClientSettings", "enableReplaceCRD"],
]);
const refused = new Set(["cluster", "renderYamlToDirectory", "alwaysRender"]);

export const checkConfiguration = (news: Dict): Checked => {
  const failures = Object.keys(news).flatMap((property) => {
    if (known.has(property) || property.startsWith("__")) return [];
    const reason = refused.has(property)
      ? "is not supported by the stand-in for the kubernetes plugin: install the official plugin to use it"
      : "is not a setting of the kubernetes provider: remove it";
    return [{ property, reason }];
  });
  if (reveal(news["enableServerSideApply"] ?? null) === "false") {
    const reason = "cannot be false with the stand-in for the kubernetes plugin, which always applies on the server";
    failures.push({ property: "enableServerSideApply", reason });
  }
  return { inputs: news, failures };
};

/** What tells one cluster from another in a kubeconfig: the server and the authority of the context in use. */
const activeCluster = (configuration: Dict): string => {
  const text = reveal(configuration["kubeconfig"] ?? null);
  if (typeof text !== "string" || text === "") return "";
  const config = new KubeConfig();
  try {
    if (existsSync(text)) config.loadFromFile(text);
    else config.loadFromString(text);
  } catch {
    return text;
  }
  const context = reveal(configuration["context"] ?? null);
  if (typeof context === "string" && context !== "") config.setCurrentContext(context);
  const cluster = config.getCurrentCluster();
  return JSON.stringify([cluster?.server, cluster?.caData, cluster?.caFile]);
};

/** Everything in the cluster is replaced when the cluster is another one; `clusterIdentifier` decides if it is set. */
export const diffConfiguration = (olds: Dict, news: Dict): Differs => {
  const changes = new Map([...difference(olds, news)].filter(([path]) => !propertyOf(path).startsWith("__")));
  changes.delete("version");
  const [before, after] = [reveal(olds["clusterIdentifier"] ?? null), reveal(news["clusterIdentifier"] ?? null)];
  if (before !== null || after !== null) {
    return { changes, replaces: before !== null && before === after ? [] : [...changes.keys()] };
  }
  const another = containsUnknown(news["kubeconfig"] ?? null) || activeCluster(olds) !== activeCluster(news);
  return { changes, replaces: another ? [...changes.keys()] : [] };
};
