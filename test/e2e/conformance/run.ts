// SPDX-License-Identifier: Apache-2.0
// `npm run e2e`: judges the local stack by Kubernetes' own network tests and writes a report of them.
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Command } from "commander";
import { stackName } from "../../../stacks/local/commands/workspace.ts";
import { clone, cloneDirectory } from "../../../stacks/local/host/paths.ts";
import { obtain } from "../../../stacks/local/toolchain/build.ts";
import { kubernetesImages } from "../../../stacks/local/toolchain/images.ts";
import { kubernetesVersion, neededByUp, type ProgramName } from "../../../stacks/local/toolchain/programs.ts";
import { type TestImage, testImages } from "../../../stacks/local/toolchain/test-images.ts";
import { type ClusterShape, clusterShape, fitCluster, kubectlWith, nodeAddress } from "./cluster-fit.ts";
import { LoadBalancerAssigner } from "./load-balancer-assigner.ts";
import { LoadBalancerRouter } from "./load-balancer-router.ts";
import { importImages } from "./machine-images.ts";
import { OutsideNames } from "./outside-names.ts";
import { onOwnStack, ownShape } from "./own-stack.ts";
import { Progress } from "./progress.ts";
import { closingLine, count, junit, markdown, type Outcome, unfinished } from "./report.ts";
import { runAll } from "./schedule.ts";
import { type Selection, select } from "./selection.ts";
import { listTests, type Suite } from "./suite.ts";

interface Options {
  readonly focus?: string;
  readonly conformance: boolean;
  readonly list: boolean;
  readonly prepare: boolean;
  readonly running: boolean;
  readonly keep: boolean;
  readonly processes: number;
  readonly reports: string;
}

async function main(options: Options, args: readonly string[]): Promise<number> {
  const program = await programPath("e2e.test");
  if (options.prepare) {
    await images();
    return 0;
  }
  const focus = options.focus === undefined ? undefined : regularExpression(options.focus);
  const cluster = options.running ? await runningShape() : ownShape;
  const selection = select(await listTests(program), { focus, conformance: options.conformance, cluster });
  if (options.list) return list(selection);
  if (selected(selection) === 0) throw new Error(nothingToRun(selection));
  // Said in full: on that stack the default is another folder.
  const folder = resolve(options.reports);
  if (!options.running) return await onOwnStack([...args, "--reports", folder], options.keep);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const suite: Suite = { program, kubeconfig: clone.kubeconfig, kubectl: join(clone.bin, "kubectl"), folder };
  await importImages(stackName, folder, await images());
  const outcome = await runFitted(suite, selection, options.processes);
  const [table, results] = [join(folder, "report.md"), join(folder, "junit.xml")];
  await writeFile(table, markdown(outcome));
  await writeFile(results, junit(outcome));
  const counts = count(outcome);
  process.stdout.write(`\nreport: ${table}, ${results}\n${unfinished(outcome)}${closingLine(counts)}\n`);
  if (outcome.notRun > 0) return 130;
  return counts.failed === 0 ? 0 : 1;
}

async function runningShape(): Promise<ClusterShape> {
  if (!existsSync(clone.kubeconfig))
    throw new Error(
      "No cluster runs: bring one up with `npm run up`, or let `npm run e2e` make one without --running.",
    );
  return await clusterShape(kubectlWith(join(clone.bin, "kubectl"), clone.kubeconfig));
}

function nothingToRun({ notPossible }: Selection): string {
  if (notPossible.length === 0) return "No test is selected.";
  return ["No selected test can run:", ...notPossible.map(({ name, reason }) => `  ${name}: ${reason}`)].join("\n");
}

async function programPath(name: ProgramName): Promise<string> {
  const path = (await obtain([name])).get(name)?.path;
  if (path === undefined) throw new Error(`The program ${name} was not obtained.`);
  return path;
}

/** What pods of the tests run: beside their own images also those of `up`, in case a kubelet has collected one. */
async function images(): Promise<TestImage[]> {
  const everywhere = (await kubernetesImages(await obtain(neededByUp))).filter(({ roles }) => roles.includes("worker"));
  return [...everywhere.map(({ name, file }): TestImage => ({ names: [name], file })), ...(await testImages())];
}

async function runFitted(suite: Suite, selection: Selection, processes: number): Promise<Outcome> {
  const controller = new AbortController();
  const interrupt = () => controller.abort();
  process.on("SIGINT", interrupt).on("SIGTERM", interrupt);
  const kubectl = kubectlWith(suite.kubectl, suite.kubeconfig);
  const opened: (() => Promise<void>)[] = [];
  try {
    opened.push(await fitCluster(kubectl));
    const node = await nodeAddress(kubectl);
    const box = node.replace(/\.\d+$/, ".1");
    const names = await OutsideNames.open(await programPath("coredns"), box, suite.folder);
    opened.push(() => names.close());
    const warn = (problem: string) => process.stderr.write(`  load balancers: ${problem}\n`);
    const balancer = new LoadBalancerAssigner(suite.kubeconfig, await LoadBalancerRouter.open(node), warn);
    opened.push(() => balancer.stop());
    const startedAt = new Date();
    balancer.start();
    const progress = new Progress(selected(selection));
    const results = await runAll(suite, selection, processes, progress, controller.signal);
    const seconds = (Date.now() - startedAt.getTime()) / 1000;
    const { notPossible } = selection;
    const notRun = controller.signal.aborted ? selected(selection) - results.length : 0;
    return { kubernetesVersion, startedAt: startedAt.toISOString(), seconds, results, notPossible, notRun };
  } finally {
    for (const close of opened.reverse()) await close();
    process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
  }
}

const selected = ({ parallel, serial }: Selection): number => parallel.length + serial.length;

function list({ parallel, serial, notPossible }: Selection): number {
  const lines = [
    ...parallel,
    ...serial,
    ...notPossible.map(({ name, reason }) => `${name}  (not possible: ${reason})`),
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
  return 0;
}

function regularExpression(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    throw new Error(`--focus ${text} is no regular expression: ${(error as Error).message}`);
  }
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new Error(`--processes ${text} is no whole number above 0.`);
}

const command = new Command("e2e")
  .description("Judges the datapath by Kubernetes' own network tests, on a local stack that is made for them.")
  .option("--focus <regex>", "run the [sig-network] tests whose names match, instead of those about Services")
  .option("--conformance", "only those that every conformant cluster has to pass", false)
  .option("--list", "print the names of the selected tests and end", false)
  .option("--prepare", "get the test program and the images that the tests name, and end", false)
  .option("--running", "judge the stack that is up; what it is too small for is named in the report", false)
  .option("--keep", "leave the stack up that was made for the tests; the next run goes on with it", false)
  .option("--processes <n>", "tests that run side by side; [Serial] ones never do", wholeNumber, 3)
  .option("--reports <folder>", "where report.md, junit.xml and logs/ are written", join(cloneDirectory, "e2e"));

try {
  process.exitCode = await main(command.parse().opts<Options>(), process.argv.slice(2));
} catch (error) {
  process.stderr.write(`\n${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
