// SPDX-License-Identifier: Apache-2.0
// Works out what a run of `up` will need of this box: memory and disk for the machines, and for what has to be built.

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { run } from "../host/exec.ts";
import { cacheDirectory, machinesRoot, repository } from "../host/paths.ts";
import type { DiskNeed, Needs } from "../host/preflight.ts";
import { listMachines } from "../machines/machine.ts";
import type { MachinePlan, Settings } from "../settings.ts";
import { toBuild } from "../toolchain/build.ts";
import { goEnvironment, requireGo } from "../toolchain/go.ts";
import { neededByUp } from "../toolchain/programs.ts";
import { stackName } from "./workspace.ts";

/** What the box and the tools need beside the machines, and what compiling Kubernetes takes. */
const boxMemoryMb = 900;
const buildMemoryMb = 3_000;
/** Measured after a build of everything, with room to spare; images and the bundle may have to be made also when warm. */
const cacheMb = { cold: 4_000, warm: 2_000 };
const goCacheMb = { GOCACHE: 7_000, GOMODCACHE: 4_500 };
const machineDiskMb = 2_000;

/** The needs of an update with these settings. */
export async function needsOfUp(settings: Settings): Promise<Needs> {
  const { planMachines } = await import("../settings.ts");
  const plans = planMachines(settings);
  const running = new Set((await listMachines(stackName)).filter((one) => one.running).map(({ name }) => name));
  // Another version is another stamp on sources that are compiled already.
  const compiling = await toBuild(neededByUp);
  const building = (await toBuild(neededByUp, settings.kubernetesVersion)).filter((name) => compiling.includes(name));
  const goFolders = building[0] === undefined ? {} : await goCaches(await requireGo(building[0]));
  return needsOf(
    plans.filter(({ name }) => !running.has(name)),
    building.length / neededByUp.length,
    goFolders,
  );
}

/** The needs for machines that do not run yet, and for the given part of all programs that has to be built. */
export function needsOf(starting: readonly MachinePlan[], building: number, goFolders: Record<string, string>): Needs {
  const machinesMb = starting.reduce((sum, { memoryMb }) => sum + memoryMb, 0) + boxMemoryMb;
  const memory =
    building > 0 && buildMemoryMb > machinesMb
      ? { mb: buildMemoryMb, what: "building the programs needs", remedy: "free memory" }
      : {
          mb: machinesMb,
          what: `the box and ${starting.length} machines to start need`,
          remedy:
            "free memory, or make fewer or smaller machines: npm run up -- -c sansproxy:workers=1, " +
            "or -c sansproxy:workerMemoryMb=512",
        };
  const disk: DiskNeed[] = [
    {
      folder: cacheDirectory(),
      mb: building > 0 ? cacheMb.cold : cacheMb.warm,
      remedy: "set SANSPROXY_CACHE to a folder on a larger disk",
    },
    {
      folder: machinesRoot,
      mb: 1_000 + starting.length * machineDiskMb,
      remedy: `make fewer machines (npm run up -- -c sansproxy:workers=1) or mount a larger disk at ${machinesRoot}`,
    },
  ];
  for (const [name, mb] of Object.entries(goCacheMb)) {
    const folder = goFolders[name];
    if (building === 0 || folder === undefined) continue;
    disk.push({ folder, mb: Math.ceil(mb * building), remedy: `set ${name} to a folder on a larger disk` });
  }
  return { memory, disk };
}

/** The settings of an update with these arguments; a value that cannot be is refused before anything is built. */
export async function settingsOfUp(args: readonly string[], folder = repository): Promise<Settings> {
  // Pulumi's library is large: commands that need no settings start without it.
  const { readSettings } = await import("../settings.ts");
  const configuration = await readConfiguration(args, folder);
  await refuseUnknownKeys(Object.keys(configuration));
  return readSettings({ get: (key) => configuration[key] });
}

/** A misspelt key would be taken without a word, and nothing would come of it. */
async function refuseUnknownKeys(keys: readonly string[]): Promise<void> {
  const project = parse(await readFile(join(repository, "Pulumi.yaml"), "utf8")) as { config: Record<string, unknown> };
  const known = Object.keys(inProject(Object.keys(project.config).map((key) => [key, ""])));
  const unknown = keys.filter((key) => !known.includes(key));
  if (unknown.length === 0) return;
  const names = unknown.map((key) => `sansproxy:${key}`).join(", ");
  throw new Error(`The configuration ${names} is not known; the local stack has ${known.sort().join(", ")}.`);
}

/** The project's values as this update will find them: what its arguments set goes before the stack's file. */
export async function readConfiguration(
  args: readonly string[],
  folder = repository,
): Promise<Readonly<Record<string, string>>> {
  const file = fileOf(args) ?? join(folder, `Pulumi.${stackName}.yaml`);
  const stack = existsSync(file) ? (parse(await readFile(file, "utf8")) as { config?: unknown } | null) : null;
  return { ...inProject(Object.entries(stack?.config ?? {})), ...inProject(settingsOf(args)) };
}

/** The values of `-c KEY=VALUE` in all forms that Pulumi takes. */
function settingsOf(args: readonly string[]): [string, string][] {
  return valuesOf(args, /^(?:-c|--config)$/, /^(?:-c=?|--config=)(.+)$/).map((text) => {
    const at = text.indexOf("=");
    return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
  });
}

function fileOf(args: readonly string[]): string | undefined {
  return valuesOf(args, /^--config-file$/, /^--config-file=(.+)$/).at(-1);
}

function valuesOf(args: readonly string[], before: RegExp, within: RegExp): string[] {
  return args.flatMap((arg, index) => {
    const value = before.test(arg) ? args[index + 1] : within.exec(arg)?.[1];
    return value === undefined ? [] : [value];
  });
}

/** Only the project's own keys, which may stand without its name, and only plain values. */
function inProject(entries: readonly (readonly [string, unknown])[]): Record<string, string> {
  const values: Record<string, string> = {};
  for (const [key, value] of entries) {
    const name = key.startsWith("sansproxy:") ? key.slice("sansproxy:".length) : key;
    if (!name.includes(":") && typeof value !== "object") values[name] = String(value);
  }
  return values;
}

/** Where Go keeps what it fetches and compiles. */
async function goCaches(go: string): Promise<Record<string, string>> {
  const text = await run(go, ["env", "-json", ...Object.keys(goCacheMb)], { cwd: homedir(), env: goEnvironment() });
  return JSON.parse(text) as Record<string, string>;
}
