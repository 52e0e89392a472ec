// SPDX-License-Identifier: Apache-2.0
// What the DaemonSet of a self-managed GKE cluster does on a node: kube-proxy's manifest goes aside, and its rules go away.

import { spawnSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { nodeInitScript } from "../../../components/internal/gke/node-init.ts";
import { FakeHost } from "./fake-host.ts";

const manifests = "/etc/kubernetes/manifests";
const aside = "/etc/kubernetes/kube-proxy.manifest.aside";
const empty = "*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n";

/** As kube-proxy 1.36 writes its table, with the kubelet's and somebody else's rules among its own. */
const natTable = `*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-KUBELET-CANARY - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-PROXY-CANARY - [0:0]
:KUBE-SEP-AAAA2222BBBB3333 - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-SVC-CCCC4444DDDD5555 - [0:0]
:MINE-KUBE-SERVICES - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A PREROUTING -j MINE-KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A KUBE-SEP-AAAA2222BBBB3333 -p tcp -m tcp -j DNAT --to-destination 10.32.0.5:80
-A KUBE-SERVICES -d 10.36.0.10/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-CCCC4444DDDD5555
-A KUBE-SVC-CCCC4444DDDD5555 -j KUBE-SEP-AAAA2222BBBB3333
-A MINE-KUBE-SERVICES -j RETURN
COMMIT
`;

const removal = `*nat
:KUBE-NODEPORTS - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-PROXY-CANARY - [0:0]
:KUBE-SEP-AAAA2222BBBB3333 - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-SVC-CCCC4444DDDD5555 - [0:0]
-D PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-D POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-X KUBE-NODEPORTS
-X KUBE-POSTROUTING
-X KUBE-PROXY-CANARY
-X KUBE-SEP-AAAA2222BBBB3333
-X KUBE-SERVICES
-X KUBE-SVC-CCCC4444DDDD5555
COMMIT
`;

let host: FakeHost;
beforeEach(() => {
  host = new FakeHost();
  host.write(`${manifests}/kube-proxy.manifest`, "kind: Pod\n");
  host.write(`${manifests}/fluentbit.manifest`, "kind: Pod\n");
  tables({ nat: natTable });
});
afterEach(() => host.remove());

/** What `iptables-save` tells of each table; what `iptables-restore` is given is kept. */
function tables(contents: Readonly<Record<string, string>>): void {
  for (const table of ["nat", "filter", "mangle", "raw"]) host.write(`/tables/${table}`, contents[table] ?? empty);
  host.program("iptables-save", { "-t *": 'cat "$root/tables/$2"' });
  host.program("iptables-restore", { "--noflush": 'cat >>"$root/restored"' });
}

const run = (rounds = 1) =>
  host.sh(nodeInitScript(), {
    MANIFESTS: host.path(manifests),
    ASIDE: host.path(aside),
    ROUNDS: String(rounds),
    PAUSE: "5",
  });

describe("node-init.sh", () => {
  it("has no fault that shellcheck knows", () => {
    const { stdout, error } = spawnSync("shellcheck", ["-s", "sh", "-"], { input: nodeInitScript(), encoding: "utf8" });
    expect(error).toBeUndefined();
    expect(stdout).toBe("");
  });

  it("puts kube-proxy's manifest aside and leaves the other static Pods", async () => {
    const { status, stdout } = await run();
    expect(status, stdout).toBe(0);
    expect(host.has(`${manifests}/kube-proxy.manifest`)).toBe(false);
    expect(host.read(aside)).toBe("kind: Pod\n");
    expect(host.has(`${manifests}/fluentbit.manifest`)).toBe(true);
    expect(stdout).toContain("put aside");
  });

  it("removes kube-proxy's chains and the jumps into them in one transaction, and nobody else's", async () => {
    expect((await run()).status).toBe(0);
    expect(host.read("/restored")).toBe(removal);
  });

  it("leaves the rules alone as long as kube-proxy runs, which would write them again", async () => {
    host.program("pgrep", { "-x kube-proxy": 'test -e "$root/ended" && exit 1; echo 4711' });
    host.program("sleep", { "5": 'test ! -e "$root/restored" && : >"$root/ended"' });
    expect((await run()).status).toBe(0);
    expect(host.has("/restored")).toBe(false);
    expect((await run(2)).status).toBe(0);
    expect(host.read("/restored")).toBe(removal);
  });

  it("touches no table that holds nothing of kube-proxy's", async () => {
    tables({});
    const { status, calls } = await run();
    expect(status).toBe(0);
    expect(calls.filter((call) => call.startsWith("iptables-restore"))).toEqual([]);
  });

  it("goes on looking, for a node's upgrade brings the manifest back", async () => {
    host.program("sleep", { "5": `echo 'kind: Pod # again' >"$root${manifests}/kube-proxy.manifest"` });
    const { status, calls } = await run(2);
    expect(status).toBe(0);
    expect(calls.filter((call) => call.startsWith("sleep"))).toHaveLength(1);
    expect(host.has(`${manifests}/kube-proxy.manifest`)).toBe(false);
    expect(host.read(aside)).toBe("kind: Pod # again\n");
  });

  it("works on the tables of both families", async () => {
    host.program("ip6tables-save", { "-t nat": 'cat "$root/tables/nat"', "-t *": "exit 1" });
    host.program("ip6tables-restore", { "--noflush": 'cat >>"$root/restored6"' });
    expect((await run()).status).toBe(0);
    expect(host.read("/restored6")).toBe(removal);
  });

  it("tells a failed removal by ending, so that its Pod is started again", async () => {
    host.program("iptables-restore", { "--noflush": "echo 'line 12 failed' >&2; exit 1" });
    const { status, stderr } = await run();
    expect(status).not.toBe(0);
    expect(stderr).toContain("line 12 failed");
  });
});
