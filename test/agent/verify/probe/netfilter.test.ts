// SPDX-License-Identifier: Apache-2.0
// Tests the search for kube-proxy's chains in a real network namespace, with the real iptables and nft.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkChains, type Run, runCommand } from "../../../../agent/verify/probe/machine.ts";

const missing = (): string | undefined => {
  if (process.getuid?.() !== 0) return "needs root";
  const tools = ["unshare", "nsenter", "iptables-nft", "iptables-legacy", "nft"];
  const absent = tools.find((tool) => {
    try {
      execFileSync("sh", ["-c", `command -v ${tool}`], { stdio: "pipe" });
      return false;
    } catch {
      return true;
    }
  });
  return absent === undefined ? undefined : `needs ${absent}`;
};
const reason = missing();

describe.skipIf(reason !== undefined)(`chains in a network namespace${reason ? ` (skipped: ${reason})` : ""}`, () => {
  let holder: ChildProcess;
  const inside = (...command: string[]): string =>
    execFileSync("nsenter", ["-t", String(holder.pid), "-n", ...command], { encoding: "utf8", stdio: "pipe" });
  const run: Run = (command, args) => runCommand("nsenter", ["-t", String(holder.pid), "-n", command, ...args]);

  beforeEach(async () => {
    holder = spawn("unshare", ["-n", "sleep", "60"], { stdio: "ignore" });
    const own = readlinkSync("/proc/self/ns/net");
    while (readlinkSync(`/proc/${holder.pid}/ns/net`) === own) await pause(5);
  });
  afterEach(() => holder.kill("SIGKILL"));

  it("finds none in an empty one, and makes no table by looking", async () => {
    const result = await checkChains(`/proc/${holder.pid}`, run);
    expect(result).toEqual({
      passed: true,
      observed: "none in iptables-nft-save, ip6tables-nft-save, nft list ruleset",
    });
    expect(readFileSync(`/proc/${holder.pid}/net/ip_tables_names`, "utf8")).toBe("");
    expect(inside("nft", "list", "ruleset")).toBe("");
  });

  it("finds a chain of the legacy tables", async () => {
    // All namespaces of the machine have one lock for the legacy tables, and another's program may hold it now.
    inside("iptables-legacy", "--wait", "-t", "nat", "-N", "KUBE-SERVICES");
    const result = await checkChains(`/proc/${holder.pid}`, run);
    expect(result.passed).toBe(false);
    expect(result.observed).toContain(
      "1 chains of kube-proxy are left: KUBE-SERVICES in table nat (iptables-legacy-save)",
    );
  });

  it("finds a chain of iptables-nft, and nothing in the kubelet's own", async () => {
    inside("iptables-nft", "-N", "KUBE-FIREWALL");
    expect((await checkChains(`/proc/${holder.pid}`, run)).passed).toBe(true);
    inside("iptables-nft", "-t", "nat", "-N", "KUBE-SVC-NPX46M4PTMTKRN6Y");
    expect((await checkChains(`/proc/${holder.pid}`, run)).observed).toContain(
      "KUBE-SVC-NPX46M4PTMTKRN6Y in table nat (iptables-nft-save)",
    );
  });

  it("finds the table of the nftables mode", async () => {
    inside("nft", "add", "table", "ip", "kube-proxy");
    inside("nft", "add", "chain", "ip", "kube-proxy", "services");
    expect((await checkChains(`/proc/${holder.pid}`, run)).observed).toContain(
      "(the whole table) in table ip kube-proxy (nft list ruleset)",
    );
  });
});
