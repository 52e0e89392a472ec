// SPDX-License-Identifier: Apache-2.0
// Looks at the node itself, from the host's process and network namespaces: kube-proxy's processes and its netfilter chains.
import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { describeProcesses, isKubeProxy, type ProcessEntry } from "../process-list.ts";
import { type ChainFinding, describeFindings, findProxyChainsInIptables, findProxyChainsInNft } from "../ruleset.ts";
import type { Attempt } from "./retry.ts";

const isGone = (error: unknown): boolean => ["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "");

const readProcess = async (proc: string, pid: number): Promise<ProcessEntry | undefined> => {
  try {
    const comm = await readFile(`${proc}/${pid}/comm`, "utf8");
    const cmdline = await readFile(`${proc}/${pid}/cmdline`, "utf8");
    return { pid, comm: comm.trimEnd(), argv: cmdline.split("\0").filter((part) => part !== "") };
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
};

export const checkProcesses = async (proc: string): Promise<Attempt> => {
  const pids = (await readdir(proc)).filter((name) => /^\d+$/.test(name)).map(Number);
  const processes = (await Promise.all(pids.map((pid) => readProcess(proc, pid)))).filter(
    (entry) => entry !== undefined,
  );
  // Process 1 is the machine's init only if the probe shares the host's process namespace; else it would see just itself.
  if (processes.length < 2) {
    return {
      passed: false,
      observed: `only ${processes.length} processes are visible: the probe is not in the host's process namespace`,
    };
  }
  const found = processes.filter(isKubeProxy);
  return found.length === 0
    ? { passed: true, observed: `none among ${processes.length} processes` }
    : { passed: false, observed: describeProcesses(found) };
};

/** Runs a listing command and gives its standard output; `undefined` when the kernel has no such subsystem. */
export type Run = (command: string, args: readonly string[]) => Promise<string | undefined>;

const SUBSYSTEM_MISSING = /Protocol not supported|Function not implemented|Address family not supported/;

export const runCommand: Run = (command, args) =>
  new Promise((resolve, reject) => {
    execFile(command, [...args], { maxBuffer: 512 * 1024 * 1024, timeout: 60_000 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else if (SUBSYSTEM_MISSING.test(stderr)) resolve(undefined);
      else if (error.code === ("ENOENT" as unknown)) reject(new Error(`${command} is not in the probe's image`));
      else reject(new Error(`${command} failed: ${stderr.trim().split("\n").at(-1) || error.message}`));
    });
  });

/** Listing legacy tables would make the kernel create them, so they are listed only where some exist. */
const hasLegacyTables = async (path: string): Promise<boolean> => {
  try {
    return (await readFile(path, "utf8")).trim() !== "";
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
};

export const checkChains = async (proc: string, run: Run): Promise<Attempt> => {
  const sources = ["iptables-nft-save", "ip6tables-nft-save"];
  if (await hasLegacyTables(`${proc}/net/ip_tables_names`)) sources.push("iptables-legacy-save");
  if (await hasLegacyTables(`${proc}/net/ip6_tables_names`)) sources.push("ip6tables-legacy-save");
  const findings: ChainFinding[] = [];
  for (const source of sources) findings.push(...findProxyChainsInIptables(source, (await run(source, [])) ?? ""));
  const ruleset = await run("nft", ["list", "ruleset"]);
  findings.push(...findProxyChainsInNft("nft list ruleset", ruleset ?? ""));
  return findings.length === 0
    ? { passed: true, observed: `none in ${[...sources, "nft list ruleset"].join(", ")}` }
    : {
        passed: false,
        observed: `${describeFindings(findings)}; remove them with "kube-proxy --cleanup" or a restart of the node`,
      };
};
