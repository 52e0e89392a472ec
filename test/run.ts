// SPDX-License-Identifier: Apache-2.0
// Runs every tier of tests in the order that shows a bug soonest, and closes with one line that counts them all.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Outcome, outcome, readOutcome, type StageResult, summary } from "./outcome.ts";
import { StageOutput } from "./stage-output.ts";

interface Stage {
  readonly name: string;
  readonly what: string;
  /** Waits most of its time, and shares nothing with the stage before it: the two run side by side. */
  readonly beside?: true;
  run(output: StageOutput): Promise<Outcome>;
}

const root = new URL("..", import.meta.url).pathname;
const reports = mkdtempSync(join(tmpdir(), "sansproxy-test-"));
const node = process.execPath;
/** Each of some hundred Pulumi programs, plugins and workers would compile the same modules again: half of their start. */
const environment = { ...process.env, NODE_COMPILE_CACHE: join(reports, "compiled") };
/** What three minutes are enough for. */
const ORACLE_CASES = "4000";
const bin = (name: string) => join(root, "node_modules", ".bin", name);

/** Set by Ctrl-C: the stage that runs is ended, and none is begun after it. */
let interrupted = false;

/** Runs a program and shows what it says; resolves to its exit code, 128+n when a signal ended it. */
function program(command: string, args: readonly string[], output: StageOutput): Promise<number> {
  return new Promise((resolve, reject) => {
    const said = output.isHeld ? "pipe" : "inherit";
    const child = spawn(command, args, { cwd: root, env: environment, stdio: ["ignore", said, said] });
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (bytes: Buffer) => output.write(bytes));
    const end = (signal: NodeJS.Signals) => {
      interrupted = true;
      // On a terminal Ctrl-C has reached the child already, as one of the foreground's processes.
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    };
    process.on("SIGINT", end).on("SIGTERM", end);
    child.once("error", reject);
    child.once("close", (code, signal) => {
      process.off("SIGINT", end).off("SIGTERM", end);
      resolve(signal === null ? (code ?? 1) : 130);
    });
  });
}

/** What a stage that could not even run counts as. */
async function counted(stage: Stage, output: StageOutput): Promise<Outcome> {
  try {
    return await stage.run(output);
  } catch (error) {
    return outcome(0, 1, [`could not run: ${error instanceof Error ? error.message : error}`]);
  }
}

/** A stage that is one check: it passes when the program exits with 0. */
const check = (name: string, what: string, command: string, ...args: string[]): Stage => ({
  name,
  what,
  run: async (output) => {
    const code = await program(command, args, output);
    return code === 0 ? outcome(1, 0) : outcome(0, 1, [`it ended with code ${code}`]);
  },
});

/** A stage that is one vitest project; a runner that died, or ran nothing, counts as a failure. */
const tier = (name: string, what: string): Stage => ({
  name,
  what,
  run: async (output) => {
    const report = join(reports, `${name}.json`);
    const vitest = [
      join(root, "node_modules", "vitest", "vitest.mjs"),
      "run",
      "--config=test/vitest.config.ts",
      `--project=${name}`,
      "--reporter=default",
      "--reporter=json",
      `--outputFile.json=${report}`,
    ];
    const code = await program(node, vitest, output);
    return readOutcome(report, code, root);
  },
});

/** The oracle counts its cases, each of which every proxy was asked. */
const oracle: Stage = {
  name: "oracle",
  what: "random objects and packets: the reference, our proxy and the real kube-proxy agree",
  run: async (output) => {
    const report = join(reports, "oracle.json");
    const code = await program(node, ["test/oracle/main.ts", "--cases", ORACLE_CASES, "--report", report], output);
    const { passed, failed } = JSON.parse(readFileSync(report, "utf8")) as { passed: number; failed: number };
    return outcome(passed, code === 0 ? failed : Math.max(1, failed), code === 0 ? [] : ["differences: see above"]);
  },
};

const stages: readonly Stage[] = [
  check("lint", "format, lint and import rules (Biome)", bin("biome"), "check", "."),
  check("types", "TypeScript, strict", bin("tsc"), "-p", "."),
  check("packages", "the distribution's packages for the tests", node, "stacks/local/cli.ts", "test-packages"),
  check(
    "toolchain",
    "programs, images and plugins, built or found",
    node,
    "stacks/local/cli.ts",
    "toolchain",
    "--tests",
  ),
  check("e2e-build", "Kubernetes' own tests and what they run", node, "stacks/local/cli.ts", "e2e", "--prepare"),
  check("bpf-build", "the BPF programs compiled", node, "stacks/local/cli.ts", "build:bpf"),
  tier("unit", "agent, components and stacks, without a cluster"),
  check("c-format", "format of the BPF programs", node, "test/support/clang-format.ts"),
  tier("bpf", "programs loaded and run in this kernel"),
  tier("bench", "the measurements run and measure the right thing, whatever the times"),
  oracle,
  tier("plugins", "Pulumi's engine with the offline plugins"),
  { ...tier("clouds", "Pulumi's engine on simulated clouds, with clusters that answer"), beside: true },
  tier("testbed", "a machine made and taken down"),
  tier("e2e", "the local stack brought up, verified, changed and taken down"),
];

/** The stages in groups, in each of which all run at the same time. */
function sideBySide(wanted: readonly Stage[]): Stage[][] {
  const groups: Stage[][] = [];
  for (const stage of wanted) {
    const last = groups.at(-1);
    if (stage.beside && last !== undefined) last.push(stage);
    else groups.push([stage]);
  }
  return groups;
}

/** Runs stages at the same time; what each says is shown as a whole, in their order. */
function together(group: readonly Stage[]): Promise<StageResult[]> {
  const runs: Promise<StageResult>[] = [];
  for (const stage of group) {
    const output = new StageOutput(runs.length > 0);
    void Promise.all(runs).then(() => output.release());
    output.write(`\n── ${stage.name}: ${stage.what}\n`);
    const started = performance.now();
    const seconds = () => (performance.now() - started) / 1000;
    runs.push(counted(stage, output).then((came) => ({ stage: stage.name, seconds: seconds(), ...came })));
  }
  return Promise.all(runs);
}

async function main(): Promise<number> {
  const wanted = process.argv.slice(2).filter((argument) => argument !== "--");
  if (wanted.some((argument) => ["--help", "-h"].includes(argument))) {
    console.log("Usage: npm test -- [stages]\n\nRuns the named stages, or all of them, in this order:\n");
    for (const { name, what } of stages) console.log(`  ${name.padEnd(12)}${what}`);
    console.log("\nExit status: 0 when every test passed, 1 when one failed or none ran, 2 for an unknown stage.");
    return 0;
  }
  const unknown = wanted.filter((name) => !stages.some((stage) => stage.name === name));
  if (unknown.length > 0) {
    console.error(`unknown stage ${unknown.join(", ")}: choose from ${stages.map((stage) => stage.name).join(", ")}`);
    return 2;
  }
  const results: StageResult[] = [];
  for (const group of sideBySide(stages.filter(({ name }) => wanted.length === 0 || wanted.includes(name)))) {
    if (interrupted) break;
    results.push(...(await together(group)));
  }
  console.log(`\n${summary(results)}`);
  if (interrupted) console.error("interrupted: the stages after this one did not run");
  return results.every(({ failed }) => failed === 0) && !interrupted ? 0 : 1;
}

try {
  process.exitCode = await main();
} finally {
  rmSync(reports, { recursive: true, force: true });
}
