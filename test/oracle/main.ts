// SPDX-License-Identifier: Apache-2.0
// `npm run oracle`: random objects and random probes through the reference, our proxy and the real kube-proxy.
import { writeFileSync } from "node:fs";
import { Command, InvalidArgumentError } from "commander";
import fc from "fast-check";
import { obtain } from "../../stacks/local/toolchain/build.ts";
import { arbitraryCluster, NODE_PORT_ADDRESSES } from "./arbitrary-cluster.ts";
import { readCase, writeCase } from "./case-file.ts";
import { KubeProxy } from "./kube-proxy.ts";
import type { Cluster } from "./objects.ts";
import { OurProxy } from "./our-proxy.ts";
import type { Probe } from "./probe.ts";
import { allProbes } from "./probes.ts";
import type { ProxyName, ServiceProxy } from "./proxy.ts";
import { shrink } from "./shrink.ts";
import { Summary } from "./summary.ts";
import { type Finding, trial } from "./trial.ts";

const MODES: readonly ProxyName[] = ["ours", "iptables", "nftables"];
const PROBES_PER_SET = 100;
/** Sets for one configuration of the proxies: the real kube-proxy has to be started again for another. */
const SETS_PER_CONFIGURATION = 8;
const SHRINK_ATTEMPTS = 60;
const MOST_FAILURES = 10;
const PROGRESS_MS = 5_000;

interface Options {
  readonly cases: number;
  readonly seed: number;
  readonly modes: readonly ProxyName[];
  readonly replay?: string;
  readonly report?: string;
}

const count = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 0x7fffffff)
    throw new InvalidArgumentError("It must be a whole number.");
  return value;
};

const modes = (text: string): ProxyName[] =>
  text.split(",").map((name) => {
    const mode = MODES.find((known) => known === name);
    if (mode === undefined) throw new InvalidArgumentError(`Choose from ${MODES.join(", ")}.`);
    return mode;
  });

const program = new Command("oracle")
  .description(
    "Compares our Service proxy with a reference model and with the real kube-proxy, on random objects and probes.",
  )
  .option("--cases <n>", "how many cases: one is a set of objects with one probe, asked of every proxy", count, 5000)
  .option("--seed <s>", "where the random numbers begin; the same seed gives the same cases", count, Date.now() % 1e9)
  .option("--modes <list>", `the proxies to ask, of ${MODES.join(", ")}`, modes, MODES)
  .option("--replay <file>", "run the one case of a file that an earlier run wrote")
  .option("--report <file>", "write the counts there, as JSON")
  .addHelpText(
    "after",
    "\nNeeds root: it makes network namespaces and loads BPF programs. Failing cases are written to .build/oracle.",
  );

async function start(names: readonly ProxyName[]): Promise<ServiceProxy[]> {
  const found = names.every((name) => name === "ours") ? undefined : (await obtain(["kube-proxy"])).get("kube-proxy");
  const proxies: ServiceProxy[] = [];
  try {
    for (const name of names) proxies.push(name === "ours" ? new OurProxy() : new KubeProxy(found?.path ?? "", name));
    return proxies;
  } catch (error) {
    await Promise.all(proxies.map((proxy) => proxy.close()));
    throw error;
  }
}

const draw = <T>(arbitrary: fc.Arbitrary<T>, seed: number): T => {
  const [value] = fc.sample(arbitrary, { seed, numRuns: 1 });
  if (value === undefined) throw new Error("fast-check drew nothing");
  return value;
};

function describe({ proxy, probe, expected, problem, observed }: Finding): string {
  const from = probe.source === undefined ? probe.from : `${probe.from} (${probe.source})`;
  const wanted = [...expected.backends, ...expected.verdicts].join(" or ");
  return (
    `${proxy}: ${probe.protocol} from ${from} to ${probe.address} port ${probe.port} (${probe.target}) ${problem}\n` +
    `    expected ${wanted} because: ${expected.because}\n    seen ${JSON.stringify(observed)}`
  );
}

/** Tells of a failure, with the smallest objects that still show it. */
async function report(
  proxies: readonly ServiceProxy[],
  finding: Finding,
  set: { cluster: Cluster; before: Cluster },
  seed: number,
  number: number,
) {
  const proxy = proxies.filter(({ name }) => name === finding.proxy);
  const fails = async (cluster: Cluster) =>
    (await trial(proxy, cluster, [finding.probe])).findings.some(({ known }) => known === undefined);
  const small = await shrink(set.cluster, fails, SHRINK_ATTEMPTS);
  const path = writeCase(seed, number, finding, small ?? set.cluster, small === undefined ? set.before : undefined);
  console.log(`FAIL ${describe(finding)}`);
  if (small === undefined)
    console.log("    not seen again with these objects alone: the change from those before matters");
  console.log(`    npm run oracle -- --replay ${path}`);
}

const NOTHING: Cluster = { services: [], endpointSlices: [] };

async function explore(proxies: readonly ServiceProxy[], { cases, seed }: Options): Promise<Summary> {
  const summary = new Summary();
  let saidAt = performance.now();
  let before = NOTHING;
  for (let at = 0; summary.cases < cases; at++) {
    // Not neighbours: fast-check's first draws from seeds in a row are alike.
    const setSeed = Math.imul(seed + at, 0x9e3779b1) | 0;
    const configuration = (seed + Math.floor(at / SETS_PER_CONFIGURATION)) % NODE_PORT_ADDRESSES.length;
    const nodePortAddresses = NODE_PORT_ADDRESSES[configuration] ?? [];
    const cluster = { ...draw(arbitraryCluster, setSeed), nodePortAddresses };
    const possible = allProbes(cluster);
    const wanted = Math.min(PROBES_PER_SET, cases - summary.cases, possible.length);
    const probes = draw(fc.shuffledSubarray(possible, { minLength: wanted, maxLength: wanted }), setSeed);
    const { findings, packets } = await trial(proxies, cluster, probes);
    const already = summary.failed;
    summary.add(probes, findings, packets);
    const failures = findings.filter(({ known }) => known === undefined);
    for (const [index, finding] of failures.entries())
      if (already + index < MOST_FAILURES) await report(proxies, finding, { cluster, before }, seed, already + index);
    before = failures.length > 0 ? NOTHING : cluster;
    if (summary.failed >= MOST_FAILURES) break;
    if (performance.now() - saidAt > PROGRESS_MS) {
      saidAt = performance.now();
      console.log(
        `  … ${summary.cases} of ${cases} cases, ${summary.sets} sets of objects, ${summary.packets} packets, ${summary.failed} failed`,
      );
    }
  }
  return summary;
}

async function replay(proxies: readonly ServiceProxy[], path: string): Promise<number> {
  const { cluster, before, probe } = readCase(path);
  if (before !== undefined) await trial(proxies, before, []);
  const probes: Probe[] = [probe];
  const { findings } = await trial(proxies, cluster, probes);
  for (const finding of findings) console.log(`${finding.known === undefined ? "FAIL" : "known"} ${describe(finding)}`);
  if (findings.length === 0) console.log("no difference");
  return findings.some(({ known }) => known === undefined) ? 1 : 0;
}

async function main(options: Options): Promise<number> {
  const proxies = await start(options.modes);
  try {
    if (options.replay !== undefined) return await replay(proxies, options.replay);
    console.log(`oracle: ${options.cases} cases, seed ${options.seed}, reference against ${options.modes.join(", ")}`);
    const began = performance.now();
    const summary = await explore(proxies, options);
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    console.log(`\n${summary.text()}\n`);
    console.log(
      `${summary.cases} cases on ${summary.sets} sets of objects, ${summary.packets} packets and connections in ${seconds} s: ` +
        `${summary.failed} failed (seed ${options.seed})`,
    );
    if (options.report !== undefined) writeFileSync(options.report, JSON.stringify(summary.counts()));
    return summary.failed === 0 ? 0 : 1;
  } finally {
    await Promise.all(proxies.map((proxy) => proxy.close()));
  }
}

process.exitCode = await main(program.parse().opts<Options>());
