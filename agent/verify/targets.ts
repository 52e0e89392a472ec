// SPDX-License-Identifier: Apache-2.0
// What a probe is told: the addresses it has to reach and who has to answer. Written by the runner, read by the probe.

export interface ProbeTargets {
  /** One address for each family of the cluster. */
  readonly clusterIp: { readonly addresses: readonly string[]; readonly tcpPort: number; readonly udpPort: number };
  /** Served at the nodes' addresses in one of `cidrs`; at all of them where there is none. */
  readonly nodePort: { readonly tcpPort: number; readonly udpPort: number; readonly cidrs?: readonly string[] };
  readonly nodes: readonly { readonly name: string; readonly addresses: readonly string[] }[];
  /** `name` goes without the cluster's DNS domain, which each probe reads off its own resolv.conf. */
  readonly dns: { readonly server: string; readonly name: string; readonly addresses: readonly string[] };
  readonly kubernetes: { readonly address: string; readonly port: number };
  /** `host` when the agent answers on a fixed address, else it is asked on the node's own. None of another datapath. */
  readonly agent?: { readonly host?: string; readonly port: number } | undefined;
}

/** Reads what `JSON.stringify` of a `ProbeTargets` gave; throws a sentence that names the first missing part. */
export const parseTargets = (text: string, origin: string): ProbeTargets => {
  const value = JSON.parse(text) as Record<string, unknown>;
  for (const part of ["clusterIp", "nodePort", "nodes", "dns", "kubernetes"]) {
    if (typeof value[part] !== "object" || value[part] === null) {
      throw new Error(`${origin} has no "${part}": it was not written by this version of sansproxy verify`);
    }
  }
  return value as unknown as ProbeTargets;
};
