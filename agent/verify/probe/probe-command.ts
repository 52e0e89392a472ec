// SPDX-License-Identifier: Apache-2.0
// `sansproxy probe` as a command: runs one probe on this node and writes its report to standard output.
import { readFile } from "node:fs/promises";
import type { Origin } from "../checks.ts";
import { formatProbeReport } from "../probe-report.ts";
import { describeFailure } from "../report.ts";
import { parseTargets } from "../targets.ts";
import { SERVICE_ACCOUNT_FOLDER } from "./api-service.ts";
import { runCommand } from "./machine.ts";
import { inClusterDomain } from "./name-service.ts";
import { runProbe } from "./probe.ts";

export interface ProbeArguments {
  readonly from: Origin;
  readonly node: string;
  readonly targets: string;
  readonly timeoutMs: number;
}

/** Gives the exit status: 1 when a check failed. */
export const runProbeCommand = async (args: ProbeArguments): Promise<number> => {
  const targets = parseTargets(await readFile(args.targets, "utf8"), args.targets);
  const name = inClusterDomain(targets.dns.name, await readFile("/etc/resolv.conf", "utf8"));
  const report = await runProbe({
    origin: args.from,
    node: args.node,
    targets: { ...targets, dns: { ...targets.dns, name } },
    timeoutMs: args.timeoutMs,
    serviceAccountFolder: SERVICE_ACCOUNT_FOLDER,
    proc: "/proc",
    run: runCommand,
  });
  const failed = report.checks.filter((check) => !check.passed);
  for (const check of failed) process.stderr.write(`${describeFailure(check)}\n`);
  await new Promise((written) => process.stdout.write(formatProbeReport(report), written));
  return failed.length === 0 ? 0 : 1;
};
