// SPDX-License-Identifier: Apache-2.0
// `sansproxy verify` as a command: connects, runs, and turns the report into output and an exit status.
import { connectCluster } from "./api-client.ts";
import { type DatapathName, verifiedDatapath } from "./datapath.ts";
import { defaultSource, loadKubeconfig, UsageError } from "./kubeconfig.ts";
import { createProgress } from "./progress.ts";
import type { Report } from "./report.ts";
import { verify } from "./runner.ts";
import { renderTable } from "./table.ts";

export interface VerifyArguments {
  readonly kubeconfig: string | undefined;
  readonly expectNodes: readonly string[];
  readonly datapath: DatapathName;
  readonly image: string | undefined;
  readonly timeoutMs: number;
  readonly output: "table" | "json";
}

interface Streams {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
}

/** JSON goes to standard output, and the table also to standard error when it has a failure to show. */
export const printReport = (report: Report, output: VerifyArguments["output"], { stdout, stderr }: Streams): void => {
  if (output === "table") {
    stdout(`${renderTable(report)}\n`);
    return;
  }
  stdout(`${JSON.stringify(report)}\n`);
  if (!report.passed) stderr(`${renderTable(report)}\n`);
};

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
/** A terminal and a parent process can both pass on one Ctrl-C. */
const SAME_SIGNAL_MS = 1_000;

/** Gives the exit status. The first Ctrl-C ends the run and cleans up, a second one leaves at once. */
export const runVerifyCommand = async (args: VerifyArguments): Promise<number> => {
  const streams: Streams = {
    stdout: (text) => process.stdout.write(text),
    stderr: (text) => process.stderr.write(text),
  };
  // Whoever reads may go away; cleaning up must not end with that.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  const progress = createProgress(streams.stderr);
  const abort = new AbortController();
  let interruptedAt = Number.POSITIVE_INFINITY;
  const interrupt = (signal: NodeJS.Signals): void => {
    if (performance.now() - interruptedAt > SAME_SIGNAL_MS) process.exit(EXIT_FAILED);
    if (abort.signal.aborted) return;
    interruptedAt = performance.now();
    progress(`interrupted by ${signal}: cleaning up; again leaves at once, and the next run cleans up`);
    abort.abort(new Error(`interrupted by ${signal}`));
  };
  const signals: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) process.on(signal, interrupt);
  try {
    if (args.datapath !== "agent" && args.image === undefined) {
      throw new UsageError(`--datapath=${args.datapath} needs --image: no agent of ours in the cluster names one`);
    }
    const cluster = connectCluster(loadKubeconfig(defaultSource(args.kubeconfig)));
    const { expectNodes, image, timeoutMs } = args;
    const datapath = verifiedDatapath(args.datapath);
    const report = await verify(cluster, { expectNodes, datapath, image, timeoutMs, progress, signal: abort.signal });
    printReport(report, args.output, streams);
    return report.passed ? 0 : EXIT_FAILED;
  } catch (error) {
    if (error instanceof UsageError) {
      streams.stderr(`sansproxy verify: ${error.message}\n`);
      return EXIT_USAGE;
    }
    if (!abort.signal.aborted) throw error;
    streams.stderr(`sansproxy verify: ${(abort.signal.reason as Error).message}; nothing was judged\n`);
    return EXIT_FAILED;
  } finally {
    for (const signal of signals) process.off(signal, interrupt);
  }
};
