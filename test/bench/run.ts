// SPDX-License-Identifier: Apache-2.0
// `npm run bench`: runs the suites, writes results.json and the report, and fails only when a suite could not measure.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { compile } from "../../agent/shell/kernel/compile.ts";
import { repository } from "../../stacks/local/host/paths.ts";
import { duration, say, step } from "../../stacks/local/host/progress.ts";
import { requireRoot } from "../support/netns.ts";
import { environmentNow, loadNow } from "./environment.ts";
import { type BenchOptions, parseOptions, UsageError, usage } from "./options.ts";
import { compareResults, comparisonText, readResults } from "./report/compare.ts";
import { htmlReport } from "./report/html.ts";
import { plots } from "./report/plots.ts";
import { pngOf } from "./report/png.ts";
import { writeReadme } from "./report/readme.ts";
import { judge, verdictText } from "./report/targets.ts";
import { RESULTS_VERSION, type Results } from "./results.ts";
import { goOn, nothing } from "./resume.ts";
import type { Suite } from "./suite.ts";
import { suites } from "./suites/index.ts";
import { kubeProxyProgram } from "./world/proxies.ts";

/** Few enough for every setup, and more than one page of a list. */
const QUICK_SERVICES = [600];

/** `keep` is given what there is after each suite. */
async function measure(
  options: BenchOptions,
  chosen: readonly Suite[],
  keep: (results: Results) => void,
): Promise<Results> {
  const objectsDir = compile();
  const environment = environmentNow(await kubeProxyProgram());
  const earlier = options.resume ? readResults(resultFile(options)) : undefined;
  const { suites: runs, measurements } = earlier === undefined ? nothing() : goOn(earlier, environment, options);
  const now = (): Results => {
    const { quick, rounds } = options;
    const finished = { ...environment, loadAfter: loadNow() };
    return { version: RESULTS_VERSION, quick, rounds, environment: finished, suites: runs, measurements };
  };
  for (const suite of chosen) {
    if (runs.some(({ name }) => name === suite.name)) {
      say(`${suite.what}: measured earlier`);
      continue;
    }
    const began = performance.now();
    const asked = options.services.length > 0 ? options.services : options.quick ? QUICK_SERVICES : suite.services;
    const { quick, rounds, alone } = options;
    const run = (note: (text: string) => void) =>
      suite.run({ quick, rounds, alone, services: asked, objectsDir, note }, (measurement) =>
        measurements.push(measurement),
      );
    let error: string | undefined;
    try {
      await step(suite.what, run);
    } catch (cause) {
      error = cause instanceof Error ? cause.message : String(cause);
      say(`  ${suite.name}: ${error}`);
    }
    const seconds = (performance.now() - began) / 1000;
    runs.push({ name: suite.name, seconds, ...(error === undefined ? {} : { error }) });
    keep(now());
  }
  return now();
}

const resultFile = ({ out }: BenchOptions): string => join(resolve(out), "results.json");

function keepResults(results: Results, options: BenchOptions): void {
  mkdirSync(resolve(options.out), { recursive: true });
  writeFileSync(resultFile(options), `${JSON.stringify(results, undefined, 1)}\n`);
}

async function write(results: Results, options: BenchOptions): Promise<void> {
  const out = resolve(options.out);
  keepResults(results, options);
  const drawn = await plots(results);
  for (const { name, svg } of drawn) {
    writeFileSync(join(out, `${name}.svg`), svg);
    writeFileSync(join(out, `${name}.png`), pngOf(svg));
  }
  const changes = options.compare === undefined ? undefined : compareResults(readResults(options.compare), results);
  writeFileSync(join(out, "report.html"), htmlReport(results, drawn, changes));
  process.stdout.write(verdictText(judge(results)));
  if (changes !== undefined) process.stdout.write(`\n${comparisonText(changes)}`);
  say(`results, report and plots are in ${out}`);
  if (options.readme) say(`and the README shows them: ${writeReadme(repository, results, drawn).join(", ")}`);
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2), suites);
  if (options.help) {
    process.stdout.write(usage(suites));
    return 0;
  }
  if (options.draw !== undefined) {
    await write(readResults(options.draw), options);
    return 0;
  }
  requireRoot();
  // A file that cannot be compared with is said before the measuring, not after it.
  if (options.compare !== undefined) readFileSync(options.compare);
  const began = performance.now();
  const chosen = suites.filter(({ name }) => options.only.length === 0 || options.only.includes(name));
  const results = await measure(options, chosen, (kept) => keepResults(kept, options));
  await write(results, options);
  const failed = results.suites.filter(({ error }) => error !== undefined);
  say(`${results.measurements.length} measurements in ${duration(performance.now() - began)}`);
  for (const { name, error } of failed) say(`${name} could not measure everything: ${error}`);
  return failed.length === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
