// SPDX-License-Identifier: Apache-2.0
// Prepares all that the local stack runs with: programs, images, the bundle, plugins, and the links that make them found.

import { existsSync } from "node:fs";
import { mkdir, readlink, rename, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { clone, cloneDirectory } from "../host/paths.ts";
import { say } from "../host/progress.ts";
import { machineImage } from "../machines/image.ts";
import { agentImage } from "./agent-image.ts";
import { type Found, obtain, summary } from "./build.ts";
import { makeBundle } from "./bundle.ts";
import { kubernetesImages } from "./images.ts";
import { type ChosenPlugin, choosePlugins, pluginSummary } from "./plugins.ts";
import { neededByUp, type ProgramName } from "./programs.ts";
import { pruneCache } from "./retention.ts";

export interface Toolchain {
  readonly programs: ReadonlyMap<ProgramName, Found>;
  readonly plugins: readonly ChosenPlugin[];
  readonly bundle: string;
}

/** Programs that a person and the engine find on the clone's own PATH. */
const linked: readonly ProgramName[] = ["pulumi", "helm", "kubectl"];

/** Gets or makes the programs of a cluster of `version`, `more` in the same builds, and the bundle of it. */
export async function bundleFor(version: string, more: readonly ProgramName[] = []) {
  const programs = await obtain([...neededByUp, ...more], version);
  const agent = await agentImage();
  const bundle = await makeBundle(programs, [...(await kubernetesImages(programs, version)), agent], version);
  await pruneCache(agent.file, bundle);
  return { programs, bundle };
}

/** Gets or makes everything `up` needs, and `more`; says in two lines where it comes from. */
export async function prepareToolchain(version: string, more: readonly ProgramName[] = []): Promise<Toolchain> {
  const { programs, bundle } = await bundleFor(version, more);
  await machineImage();
  const plugins = await choosePlugins();
  await linkAll(programs, plugins, bundle);
  say(`programs: ${summary(programs.values())}`);
  say(`Pulumi plugins: ${pluginSummary(plugins)}`);
  return { programs, plugins, bundle };
}

async function linkAll(programs: Toolchain["programs"], plugins: readonly ChosenPlugin[], bundle: string) {
  await mkdir(cloneDirectory, { recursive: true, mode: 0o700 });
  await mkdir(clone.bin, { recursive: true });
  for (const name of linked) {
    const found = programs.get(name);
    if (found !== undefined) await pointTo(found.path, join(clone.bin, name));
  }
  for (const plugin of plugins) await pointTo(plugin.path, join(clone.bin, plugin.executable));
  await pointTo(process.execPath, join(clone.bin, "node"));
  await pointTo(bundle, clone.bundle);
}

/** Makes or moves a link in one step, so that no reader ever finds it missing. */
async function pointTo(target: string, link: string): Promise<void> {
  if (existsSync(link) && (await readlink(link).catch(() => "")) === target) return;
  const fresh = `${link}.new-${process.pid}`;
  await rm(fresh, { force: true });
  await symlink(target, fresh);
  await rename(fresh, link);
}
