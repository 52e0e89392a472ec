// SPDX-License-Identifier: Apache-2.0
// Finds what kube-proxy leaves in netfilter: pure parsers of `iptables-save` output and of `nft list ruleset`.

/** Chains only kube-proxy makes. The kubelet's own (KUBE-FIREWALL, KUBE-MARK-*, KUBE-KUBELET-CANARY) are not its work. */
const PROXY_CHAIN =
  /^KUBE-(?:SERVICES|EXTERNAL-SERVICES|NODEPORTS|PROXY-(?:CANARY|FIREWALL)|(?:SVC|SVL|SEP|EXT|FW|XLB)-[A-Z0-9]+)$/;

/** The table of kube-proxy's nftables mode; its chains have other names. */
const PROXY_TABLE = "kube-proxy";

export interface ChainFinding {
  /** The command whose output shows it. */
  readonly source: string;
  readonly table: string;
  readonly chain: string;
}

/** Chain declarations (`:NAME POLICY [packets:bytes]`) of an `iptables-save` dump; rules and comments do not count. */
export const findProxyChainsInIptables = (source: string, dump: string): readonly ChainFinding[] => {
  const findings: ChainFinding[] = [];
  let table = "?";
  for (const line of dump.split("\n")) {
    if (line.startsWith("*")) table = line.slice(1).trim();
    const chain = /^:(\S+)\s/.exec(line)?.[1];
    if (chain !== undefined && PROXY_CHAIN.test(chain)) findings.push({ source, table, chain });
  }
  return findings;
};

/** Chain and table declarations of `nft list ruleset`; jumps, sets and comments do not count. */
export const findProxyChainsInNft = (source: string, ruleset: string): readonly ChainFinding[] => {
  const findings: ChainFinding[] = [];
  let table = "?";
  let ofProxy = false;
  for (const line of ruleset.split("\n")) {
    const declared = /^table (\S+) (\S+) \{/.exec(line);
    if (declared !== null) {
      table = `${declared[1]} ${declared[2]}`;
      ofProxy = declared[2] === PROXY_TABLE;
      if (ofProxy) findings.push({ source, table, chain: "(the whole table)" });
    }
    const chain = /^\s+chain (\S+) \{/.exec(line)?.[1];
    if (!ofProxy && chain !== undefined && PROXY_CHAIN.test(chain)) findings.push({ source, table, chain });
  }
  return findings;
};

/** One clause: how many there are and the first few by name. */
export const describeFindings = (findings: readonly ChainFinding[]): string => {
  const shown = findings.slice(0, 5).map(({ source, table, chain }) => `${chain} in table ${table} (${source})`);
  const rest = findings.length - shown.length;
  return `${findings.length} chains of kube-proxy are left: ${shown.join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`;
};
