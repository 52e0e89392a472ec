// SPDX-License-Identifier: Apache-2.0
// Gets the programs: an official one on PATH, one built earlier, or one built now from its pinned Go module.

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { run, runAnyway } from "../host/exec.ts";
import { withLock } from "../host/lock.ts";
import { cacheDirectory } from "../host/paths.ts";
import { step } from "../host/progress.ts";
import { goEnvironment, requireGo } from "./go.ts";
import { allOnPath } from "./on-path.ts";
import { kubernetesVersion, type Program, type ProgramName, programFor } from "./programs.ts";

export type Origin = "official" | "cached" | "built";

export interface Found {
  readonly program: Program;
  readonly path: string;
  readonly origin: Origin;
}

const modules = join(import.meta.dirname, "modules");
/** No DWARF: the linker drops it in any case (`-s -w`), and to make it is more than a quarter of a build's time. */
const compileFlags = ["-trimpath", "-gcflags=all=-dwarf=false"];

/** Finds or builds all the named programs for a cluster of `version`; what is missing and alike is built in one go. */
export async function obtain(
  names: readonly ProgramName[],
  version = kubernetesVersion,
): Promise<Map<ProgramName, Found>> {
  const found = new Map<ProgramName, Found>();
  const missing = new Map<string, Program[]>();
  for (const name of names) {
    const program = programFor(name, version);
    const official = await officialOnPath(program);
    const cached = await cachedPath(program);
    if (official !== undefined) found.set(name, { program, path: official, origin: "official" });
    else if (existsSync(cached)) found.set(name, { program, path: cached, origin: "cached" });
    else {
      const alike = `${program.module} ${linkerFlags(program)}`;
      missing.set(alike, [...(missing.get(alike) ?? []), program]);
      found.set(name, { program, path: cached, origin: "built" });
    }
  }
  for (const alike of missing.values()) await build(alike);
  return found;
}

/** Those of the named programs that neither the cache nor the box has. */
export async function toBuild(names: readonly ProgramName[], version = kubernetesVersion): Promise<ProgramName[]> {
  const missing: ProgramName[] = [];
  for (const name of names) {
    const program = programFor(name, version);
    if (existsSync(await cachedPath(program)) || (await officialOnPath(program)) !== undefined) continue;
    missing.push(name);
  }
  return missing;
}

/** One line for a person that says where every program comes from. */
export function summary(found: Iterable<Found>): string {
  const all = [...found];
  const part = (origin: Origin, words: string) => {
    const names = all
      .filter((one) => one.origin === origin)
      .map(({ program }) => `${program.name} ${versionOf(program)}`);
    return names.length === 0 ? [] : [`${words}: ${names.join(", ")}`];
  };
  return [...part("official", "official"), ...part("built", "built now"), ...part("cached", "built earlier")].join(
    "; ",
  );
}

/** Folder where Go keeps the sources of a module that one of our go.mod files pins; fetched when it is not there. */
export async function moduleFolder(module: string, path: string): Promise<string> {
  const cwd = join(modules, module);
  const folder = (
    await run(await requireGo(path), ["mod", "download", "-json", path], { cwd, env: goEnvironment() })
  ).trim();
  return (JSON.parse(folder) as { Dir: string }).Dir;
}

/** Where a built program lies: changes with its version, its module's pins, sources of our own, and its flags. */
export async function cachedPath(program: Program): Promise<string> {
  const hash = createHash("sha256");
  for (const file of ["go.mod", "go.sum"]) hash.update(await readFile(join(modules, program.module, file)));
  if (program.ownSources === true) {
    for (const file of await ownSources(join(modules, program.module))) hash.update(await readFile(file));
  }
  hash.update(JSON.stringify([program.package, compileFlags, linkerFlags(program)]));
  const key = `${program.version}-${hash.digest("hex").slice(0, 12)}`;
  return join(cacheDirectory(), "programs", program.name, key, program.name);
}

async function ownSources(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true });
  return entries
    .filter((entry) => entry.endsWith(".go"))
    .sort()
    .map((entry) => join(folder, entry));
}

/** Builds programs of one module with the same flags. */
async function build(alike: readonly Program[]): Promise<void> {
  const module = alike[0]?.module ?? "";
  await withLock(join(cacheDirectory(), "programs", module), async () => {
    const wanted: Program[] = [];
    for (const program of alike) if (!existsSync(await cachedPath(program))) wanted.push(program);
    const [first] = wanted;
    if (first === undefined) return;
    const go = await requireGo(first.name);
    const output = join(cacheDirectory(), "programs", `.building-${module}-${process.pid}`);
    await mkdir(output, { recursive: true });
    // A package's own name and the program's differ when only one is built, so the file is named then.
    const target = wanted.length === 1 ? join(output, first.name) : `${output}/`;
    const verb = first.tests === true ? ["test", "-c", "-vet=off"] : ["build", "-v"];
    const args = [...verb, ...compileFlags, "-ldflags", linkerFlags(first), "-o", target];
    const list = wanted.map((program) => program.name).join(", ");
    try {
      await step(`building ${list} ${versionOf(first)} from Go modules`, async (note) => {
        let packages = 0;
        note("fetching modules");
        const onErrorLine = (line: string) => {
          if (line.startsWith("go: ")) return note(line.slice(4));
          packages += 1;
          note(`${packages} packages compiled, now ${line}`);
        };
        await run(go, [...args, ...wanted.map((program) => program.package)], {
          cwd: join(modules, module),
          env: goEnvironment(),
          onErrorLine,
        });
      });
      for (const program of wanted) await keep(join(output, program.name), program);
    } finally {
      await rm(output, { recursive: true, force: true });
    }
  });
}

/** Moves a finished program into the cache in one step, once it says the version it was built as. */
async function keep(path: string, program: Program): Promise<void> {
  if (program.check !== undefined) {
    const { stdout, stderr } = await runAnyway(path, program.check.args);
    if (!program.check.usable(stdout + stderr)) {
      throw new Error(`${program.name} was built, but does not say that it is ${program.version}: ${stdout}${stderr}`);
    }
  }
  const target = await cachedPath(program);
  await mkdir(join(target, ".."), { recursive: true });
  await rename(path, target);
}

const versionOf = ({ version, sources }: Program): string =>
  sources === undefined ? version : `${version} (stamped; sources of ${sources})`;

function linkerFlags(program: Program): string {
  return ["-s", "-w", ...program.stamps.map((stamp) => `-X ${stamp}`)].join(" ");
}

async function officialOnPath(program: Program): Promise<string | undefined> {
  if (program.check === undefined) return undefined;
  for (const path of await allOnPath(program.name)) {
    const { stdout, stderr, code } = await runAnyway(path, program.check.args);
    if (code === 0 && program.check.usable(stdout + stderr)) return path;
  }
  return undefined;
}
