// SPDX-License-Identifier: Apache-2.0
// Runs every tier of tests in the order that shows a bug soonest, and closes with one line that counts them all.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

interface Stage {
  readonly name: string;
  readonly what: string;
  run(): Promise<Counts>;
}

const root = new URL("..", import.meta.url).pathname;
const reports = mkdtempSync(join(tmpdir(), "sansproxy-test-"));
const node = process.execPath;
/** What three minutes are enough for. */
const ORACLE_CASES = "4000";
const bin = (name: string) => join(root, "node_modules", ".bin", name);

/** Set by Ctrl-C: the stage that runs is ended, and none is begun after it. */
let interrupted = false;

/** Runs a program with our terminal; resolves to its exit code, 128+n when a signal ended it. */
function program(command: string, args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
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
async function counted(stage: Stage): Promise<Counts> {
  try {
    return await stage.run();
  } catch (error) {
    console.error(`${stage.name} could not run: ${error instanceof Error ? error.message : error}`);
    return tally(0, 1);
  }
}

/** A stage that is one check: it passes when the program exits with 0. */
const check = (name: string, what: string, command: string, ...args: string[]): Stage => ({
  name,
  what,
  run: async () => ((await program(command, args)) === 0 ? tally(1, 0) : tally(0, 1)),
});

/** A stage that is one vitest project; a runner that died, or ran nothing, counts as a failure. */
const tier = (name: string, what: string): Stage => ({
  name,
  what,
  run: async () => {
    const report = join(reports, `${name}.json`);
    const code = await program(node, [
      join(root, "node_modules", "vitest", "vitest.mjs"),
      "run",
      "--config=test/vitest.config.ts",
      `--project=${name}`,
      "--reporter=default",
      "--reporter=json",
      `--outputFile.json=${report}`,
    ]);
    const counts = readReport(report);
    if (code !== 0 && counts.failed === 0) counts.failed = 1;
    return counts;
  },
});

/** The oracle counts its cases, each of which every proxy was asked. */
const oracle: Stage = {
  name: "oracle",
  what: "random objects and packets: the reference, our proxy and the real kube-proxy agree",
  run: async () => {
    const report = join(reports, "oracle.json");
    const code = await program(node, ["test/oracle/main.ts", "--cases", ORACLE_CASES, "--report", report]);
    const { passed, failed } = JSON.parse(readFileSync(report, "utf8")) as { passed: number; failed: number };
    return tally(passed, code === 0 ? failed : Math.max(1, failed));
  },
};

const tally = (passed: number, failed: number, skipped = 0): Counts => ({ passed, failed, skipped });

function readReport(path: string): Counts {
  try {
    const report = JSON.parse(readFileSync(path, "utf8"));
    const counts = tally(report.numPassedTests, report.numFailedTests, report.numPendingTests + report.numTodoTests);
    return counts.passed + counts.failed === 0 ? tally(0, 1) : counts;
  } catch (error) {
    console.error(`no report of this tier: ${error instanceof Error ? error.message : error}`);
    return tally(0, 1);
  }
}

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
  tier("clouds", "Pulumi's engine on simulated clouds, with clusters that answer"),
  tier("testbed", "a machine made and taken down"),
  tier("e2e", "the local stack brought up, verified, changed and taken down"),
];

async function main(): Promise<number> {
  const wanted = process.argv.slice(2).filter((argument) => argument !== "--");
  const unknown = wanted.filter((name) => !stages.some((stage) => stage.name === name));
  if (unknown.length > 0) {
    console.error(`unknown stage ${unknown.join(", ")}: choose from ${stages.map((stage) => stage.name).join(", ")}`);
    return 2;
  }
  const total = tally(0, 0);
  const rows: string[] = [];
  for (const stage of stages.filter((stage) => wanted.length === 0 || wanted.includes(stage.name))) {
    if (interrupted) break;
    console.log(`\n── ${stage.name}: ${stage.what}`);
    const started = performance.now();
    const counts = await counted(stage);
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    rows.push(
      `${counts.failed === 0 ? "ok  " : "FAIL"} ${stage.name.padEnd(10)} ${String(counts.passed).padStart(5)} passed ` +
        `${String(counts.failed).padStart(3)} failed ${String(counts.skipped).padStart(3)} skipped ${seconds.padStart(6)} s`,
    );
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
  }
  console.log(`\n${rows.join("\n")}\n`);
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  if (interrupted) console.error("interrupted: the stages after this one did not run");
  return total.failed === 0 && !interrupted ? 0 : 1;
}

try {
  process.exitCode = await main();
} finally {
  rmSync(reports, { recursive: true, force: true });
}
