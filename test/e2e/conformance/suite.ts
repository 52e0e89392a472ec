// SPDX-License-Identifier: Apache-2.0
// Runs Kubernetes' own test program: lists its tests, and runs one of them in a process of its own.
import { spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../../../stacks/local/host/exec.ts";

export interface Suite {
  readonly program: string;
  readonly kubeconfig: string;
  readonly kubectl: string;
  /** Folder for what the tests write. */
  readonly folder: string;
}

export type State = "passed" | "failed" | "skipped";

export interface Result {
  readonly name: string;
  readonly state: State;
  readonly seconds: number;
  /** Why it failed, or why the suite itself skipped it; empty for a pass. */
  readonly message: string;
  /** File with all it wrote. */
  readonly log: string;
}

/** What ginkgo's JSON report holds of a test, as far as it is read here. */
interface GinkgoReport {
  readonly SpecReports: readonly {
    readonly LeafNodeType: string;
    readonly State: string;
    readonly RunTime: number;
    readonly Failure?: { readonly Message?: string; readonly Location?: { FileName?: string; LineNumber?: number } };
  }[];
}

/** No test of the suite lasts longer when all is well; one that does is ended and has failed. */
const longestMinutes = 40;

/** Names of all tests, as `-ginkgo.focus` matches them. */
export async function listTests(program: string): Promise<string[]> {
  const text = await run(program, ["-list-tests"]);
  const names = text.split("\n").flatMap((line) => /^\s+\S+\.go:\d+: (.+)$/.exec(line)?.[1] ?? []);
  if (names.length === 0) throw new Error(`${program} lists no tests: it said ${text.slice(0, 300)}`);
  return names;
}

/** Runs exactly the named test to its end, or until the signal comes. */
export async function runTest(suite: Suite, name: string, number: number, signal: AbortSignal): Promise<Result> {
  const folder = join(suite.folder, "logs");
  await mkdir(folder, { recursive: true });
  const log = join(folder, `${String(number).padStart(3, "0")}-${slug(name)}.log`);
  const report = `${log}.json`;
  await rm(report, { force: true });
  const started = performance.now();
  const code = await start(suite, name, report, log, signal);
  const seconds = (performance.now() - started) / 1000;
  const found = await read(report);
  if (found === undefined) {
    const message = signal.aborted ? "interrupted" : `the test program ended with ${code} and left no report`;
    return { name, state: "failed", seconds, message, log };
  }
  return { name, log, ...judge(found, seconds) };
}

/** One test's result out of the report of a run that was asked for one test only. */
export function judge(report: GinkgoReport, seconds: number): Pick<Result, "state" | "seconds" | "message"> {
  const ran = report.SpecReports.filter((spec) => spec.LeafNodeType === "It" && !isLeftOut(spec));
  const broken = report.SpecReports.find((spec) => spec.LeafNodeType !== "It" && spec.Failure !== undefined);
  if (broken !== undefined) return { state: "failed", seconds, message: reason(broken) };
  const [test] = ran;
  if (test === undefined || ran.length > 1) {
    return { state: "failed", seconds, message: `${ran.length} tests ran instead of the one that was asked for` };
  }
  const took = test.RunTime / 1e9;
  if (test.State === "passed") return { state: "passed", seconds: took, message: "" };
  return { state: test.State === "skipped" ? "skipped" : "failed", seconds: took, message: reason(test) };
}

type Spec = GinkgoReport["SpecReports"][number];

/** Tests out of focus are "skipped" too, but without a reason and without having run. */
const isLeftOut = (spec: Spec): boolean => spec.State === "skipped" && !spec.Failure?.Message;

function reason(spec: Spec): string {
  const { Message, Location } = spec.Failure ?? {};
  const where = Location?.FileName === undefined ? "" : ` (${short(Location.FileName)}:${Location.LineNumber})`;
  return `${Message ?? spec.State}${where}`;
}

const short = (file: string): string => file.replace(/^.*k8s\.io\/kubernetes(@[^/]*)?\//, "");

async function start(suite: Suite, name: string, report: string, log: string, signal: AbortSignal): Promise<string> {
  const args = [
    `-kubeconfig=${suite.kubeconfig}`,
    `-kubectl-path=${suite.kubectl}`,
    "-provider=skeleton",
    `-e2e-output-dir=${suite.folder}`,
    "-dump-logs-on-failure=true",
    `-ginkgo.focus= ${literal(name)}$`,
    "-ginkgo.v",
    "-ginkgo.no-color",
    `-ginkgo.timeout=${longestMinutes}m`,
    `-ginkgo.json-report=${report}`,
  ];
  const output = createWriteStream(log, { mode: 0o600 });
  const child = spawn(suite.program, args, { stdio: ["ignore", "pipe", "pipe"], cwd: suite.folder });
  child.stdout.pipe(output, { end: false });
  child.stderr.pipe(output, { end: false });
  // ginkgo cleans up after the first signal: namespaces of an interrupted test are removed.
  const interrupt = () => child.kill("SIGINT");
  signal.addEventListener("abort", interrupt);
  if (signal.aborted) interrupt();
  try {
    return await new Promise<string>((done, fail) => {
      child.on("error", fail);
      child.on("close", (code, killed) => done(killed === null ? `code ${code}` : killed));
    });
  } finally {
    signal.removeEventListener("abort", interrupt);
    output.end();
  }
}

async function read(file: string): Promise<GinkgoReport | undefined> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  await rm(file, { force: true });
  return text === undefined ? undefined : (JSON.parse(text) as GinkgoReport[])[0];
}

const literal = (text: string): string => text.replace(/[.+*?^$()[\]{}|\\/]/g, "\\$&");
const slug = (name: string): string =>
  name
    .replace(/[^A-Za-z0-9]+/g, "-")
    .replace(/^-|-$/g, "")
    .slice(0, 100);
