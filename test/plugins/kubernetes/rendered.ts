// SPDX-License-Identifier: Apache-2.0
// Lists what a rendered chart holds, as a Release's `resourceNames` says it: names by kind and API version.
import { loadAllYaml } from "@kubernetes/client-node";

interface Rendered {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: { readonly name?: string; readonly namespace?: string };
}

/** For example `{"DaemonSet.apps/apps/v1": ["kube-system/agent"]}`; kinds of the core group have no group. */
export const resourceNames = (manifest: string): Record<string, string[]> => {
  const names: Record<string, string[]> = {};
  for (const document of loadAllYaml(manifest) as (Rendered | null)[]) {
    const { apiVersion, kind, metadata } = document ?? {};
    if (apiVersion === undefined || kind === undefined || metadata?.name === undefined) continue;
    const group = apiVersion.includes("/") ? `.${apiVersion.split("/")[0]}` : "";
    const key = `${kind}${group}/${apiVersion}`;
    const name = metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`;
    names[key] = [...(names[key] ?? []), name];
  }
  for (const listed of Object.values(names)) listed.sort();
  return names;
};
