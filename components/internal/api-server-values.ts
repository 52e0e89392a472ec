// SPDX-License-Identifier: Apache-2.0
// How a chart learns where the API server is with no Service routing: by its values, or by a ConfigMap that they name.

import type { Values } from "./datapath-rules.ts";
import type { InputProblem } from "./input-errors.ts";

/** Where a node reaches the API server; without a host the values refer to it, so that they are the same before it is known. */
export interface ApiServer {
  readonly host?: string;
  readonly port: number;
}

/** The values that are the cluster's to determine, never the user's. */
const apiServerKeys: readonly string[] = ["k8sServiceHost", "k8sServiceHostRef", "k8sServicePort"];

/** The key of a ConfigMap in the release's namespace that holds the host. */
export const apiServerReference = (releaseName: string) => ({ name: `${releaseName}-api-server`, key: "host" });

/** The values that say where the API server is. */
export function apiServerValues(releaseName: string, { host, port }: ApiServer): Values {
  const place = host === undefined ? { k8sServiceHostRef: apiServerReference(releaseName) } : { k8sServiceHost: host };
  return { ...place, k8sServicePort: port };
}

export function apiServerRule(prefix: string, values: Values): InputProblem[] {
  return apiServerKeys
    .filter((key) => values[key] !== undefined)
    .map((key) => ({
      propertyPath: `${prefix}${key}`,
      reason: `is ${JSON.stringify(values[key])}, and it is derived from the cluster, so that it is right on every node; leave it out, and where it is wrong correct the cluster (on bare metal: its controlPlaneEndpoint).`,
    }));
}

/** The values without these: a problem with one of them says more than its type would. */
export function withoutApiServer(values: Values): Values {
  return Object.fromEntries(Object.entries(values).filter(([key]) => !apiServerKeys.includes(key)));
}
