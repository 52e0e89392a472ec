// SPDX-License-Identifier: Apache-2.0
// Chooses the Pulumi plugins: official ones where this box has them, this repository's stand-ins where not.

import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { clone, repository } from "../host/paths.ts";
import { allOnPath } from "./on-path.ts";

interface Plugin {
  readonly executable: string;
  readonly kind: "language" | "resource";
  readonly name: string;
  /** npm package whose version the plugin has to have; the language plugin comes with the engine. */
  readonly sdk?: string;
  readonly standIn: string;
}

const plugins: readonly Plugin[] = [
  plugin("language", "nodejs", "language-nodejs"),
  plugin("resource", "command", "command", "@pulumi/command"),
  plugin("resource", "kubernetes", "kubernetes", "@pulumi/kubernetes"),
];

export interface ChosenPlugin {
  readonly executable: string;
  readonly path: string;
  readonly origin: "official" | "stand-in";
}

/** Where each plugin comes from on this box. */
export async function choosePlugins(): Promise<ChosenPlugin[]> {
  const chosen: ChosenPlugin[] = [];
  for (const wanted of plugins) {
    const official = await officialPlugin(wanted);
    if (official !== undefined) {
      chosen.push({ executable: wanted.executable, path: official, origin: "official" });
      continue;
    }
    const path = join(repository, "test/plugins", wanted.standIn, wanted.executable);
    if (!existsSync(path)) throw new Error(`There is no official ${wanted.executable} on this box and no ${path}.`);
    chosen.push({ executable: wanted.executable, path, origin: "stand-in" });
  }
  return chosen;
}

/** One line for a person that says in so many words which plugins are stand-ins. */
export function pluginSummary(chosen: readonly ChosenPlugin[]): string {
  const names = (origin: ChosenPlugin["origin"]) =>
    chosen.filter((one) => one.origin === origin).map((one) => one.executable.replace("pulumi-", ""));
  const parts = [];
  if (names("official").length > 0) parts.push(`official: ${names("official").join(", ")}`);
  if (names("stand-in").length > 0) {
    parts.push(`stand-in of this repository (the official plugin is not on this box): ${names("stand-in").join(", ")}`);
  }
  return parts.join("; ");
}

async function officialPlugin(wanted: Plugin): Promise<string | undefined> {
  const [onPath] = await allOnPath(wanted.executable);
  if (onPath !== undefined) return onPath;
  const version = wanted.sdk === undefined ? undefined : await installedVersion(wanted.sdk);
  const homes = [process.env.PULUMI_HOME, join(homedir(), ".pulumi")].filter((home) => home !== undefined);
  for (const home of homes) {
    if (home === clone.pulumiHome) continue;
    const path = await pluginIn(join(home, "plugins"), wanted, version);
    if (path !== undefined) return path;
  }
  return undefined;
}

async function pluginIn(folder: string, wanted: Plugin, version: string | undefined): Promise<string | undefined> {
  if (!existsSync(folder)) return undefined;
  const prefix = `${wanted.kind}-${wanted.name}-v`;
  const candidates = (await readdir(folder)).filter((name) => name.startsWith(prefix)).sort();
  const match = version === undefined ? candidates.at(-1) : candidates.find((name) => name === `${prefix}${version}`);
  const path = match === undefined ? undefined : join(folder, match, wanted.executable);
  return path !== undefined && existsSync(path) ? path : undefined;
}

async function installedVersion(sdk: string): Promise<string> {
  const file = join(repository, "node_modules", sdk, "package.json");
  return (JSON.parse(await readFile(file, "utf8")) as { version: string }).version;
}

function plugin(kind: Plugin["kind"], name: string, standIn: string, sdk?: string): Plugin {
  return { executable: `pulumi-${kind}-${name}`, kind, name, standIn, ...(sdk === undefined ? {} : { sdk }) };
}
