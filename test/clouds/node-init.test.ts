// SPDX-License-Identifier: Apache-2.0
// The removal of kube-proxy's rules by the real iptables, in a network namespace of its own.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { nodeInitScript } from "../../components/internal/gke/node-init.ts";

/** The rules of somebody else, among which kube-proxy has put its own. */
const others = (kubeProxys: { chains: string; jumps: string; rules: string }): string => `*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-KUBELET-CANARY - [0:0]
:IP-MASQ - [0:0]
${kubeProxys.chains}${kubeProxys.jumps}-A POSTROUTING -m comment --comment "ip-masq: no KUBE-SERVICES here" -j IP-MASQ
-A IP-MASQ -d 10.0.0.0/8 -j RETURN
${kubeProxys.rules}COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:KUBE-FIREWALL - [0:0]
-A INPUT -j KUBE-FIREWALL
-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -j DROP
COMMIT
`;

const kubeProxys = {
  chains: [
    ...["SERVICES", "NODEPORTS", "POSTROUTING", "MARK-MASQ", "PROXY-CANARY"],
    ...["SVC-ERIFXISQEP7F7OF4", "SEP-2XZJVPRY2PQVE3B3"],
  ]
    .map((name) => `:KUBE-${name} - [0:0]\n`)
    .join(""),
  jumps: `-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
`,
  rules: `-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-POSTROUTING -j MASQUERADE --random-fully
-A KUBE-SERVICES -d 10.36.0.10/32 -p tcp -m comment --comment "kube-system/kube-dns:dns-tcp cluster IP" -m tcp --dport 53 -j KUBE-SVC-ERIFXISQEP7F7OF4
-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
-A KUBE-SVC-ERIFXISQEP7F7OF4 -j KUBE-SEP-2XZJVPRY2PQVE3B3
-A KUBE-SEP-2XZJVPRY2PQVE3B3 -s 10.32.0.5/32 -j KUBE-MARK-MASQ
-A KUBE-SEP-2XZJVPRY2PQVE3B3 -p tcp -m tcp -j DNAT --to-destination 10.32.0.5:53
`,
};

/** kube-proxy shares this one with the kubelet, which may have made it: it stays, and does no harm. */
const shared = {
  chains: ":KUBE-MARK-MASQ - [0:0]\n",
  jumps: "",
  rules: "-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000\n",
};

test("all that kube-proxy wrote is gone afterwards, and everybody else's rules are as they were", () => {
  const folder = mkdtempSync(join(tmpdir(), "sansproxy-rules-"));
  try {
    writeFileSync(join(folder, "before"), others(kubeProxys));
    writeFileSync(join(folder, "wanted"), others(shared));
    writeFileSync(join(folder, "node-init.sh"), nodeInitScript());
    // A process of that name on this box would be waited for: the script sees the ones of a process namespace of its own.
    const script = `cd "$0"; set -eu; mount -t proc proc /proc
      plain() { iptables-save | sed -E '/^#/d; s/\\[[0-9:]+\\]/[0:0]/' | sort; }
      iptables-restore <wanted; plain >wanted.saved
      iptables-restore <before; plain >before.saved
      MANIFESTS=$0/none ROUNDS=1 sh node-init.sh >said
      plain >after.saved; cat said; cmp -s before.saved wanted.saved && exit 3; diff wanted.saved after.saved`;
    const namespaces = ["--net", "--mount", "--pid", "--fork", "sh", "-c", script, folder];
    const said = execFileSync("unshare", namespaces, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    expect(said).toBe("removed kube-proxy's rules from iptables nat\n");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
