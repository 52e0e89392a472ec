// SPDX-License-Identifier: Apache-2.0
// Says on what a run was measured: kernel, machine, programs and their versions, and how busy the box was.
import { spawnSync } from "node:child_process";
import { cpus, loadavg, release, totalmem } from "node:os";
import type { Environment } from "./results.ts";
import { LEGACY_IPTABLES } from "./world/legacy-iptables.ts";

/** What a program says with these arguments, in one line; `absent` when there is none. */
function saidBy(program: string, ...args: string[]): string {
  const { status, stdout } = spawnSync(program, args, { encoding: "utf8", cwd: import.meta.dirname });
  return status === 0 ? (stdout.trim().split("\n")[0] ?? "") : "absent";
}

export const loadNow = (): number => loadavg()[0] ?? 0;

/** As the run begins; `loadAfter` is filled in when it ends. */
export function environmentNow(kubeProxy: string | undefined): Environment {
  const processors = cpus();
  return {
    date: new Date().toISOString(),
    kernel: release(),
    cpu: processors[0]?.model.trim() ?? "unknown",
    cpus: processors.length,
    memoryGb: Math.round(totalmem() / 1e9),
    node: process.version,
    clang: saidBy(process.env["CLANG"] ?? "clang-16", "--version"),
    iptables: saidBy(LEGACY_IPTABLES, "--version"),
    nft: saidBy("nft", "--version"),
    kubeProxy: kubeProxy === undefined ? "not used" : saidBy(kubeProxy, "--version"),
    commit: saidBy("git", "rev-parse", "--short", "HEAD"),
    loadBefore: loadNow(),
    loadAfter: Number.NaN,
  };
}
