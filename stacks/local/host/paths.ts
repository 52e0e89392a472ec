// SPDX-License-Identifier: Apache-2.0
// Says where everything of the local stack lives: the cache shared by clones, the clone's own folder, and the machines.

import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** Root of the repository this file belongs to. */
export const repository = resolve(import.meta.dirname, "../../..");

/** Big, versioned results that every clone on this box shares. */
export function cacheDirectory(env: NodeJS.ProcessEnv = process.env): string {
  if (env.SANSPROXY_CACHE) return resolve(env.SANSPROXY_CACHE);
  return join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "sansproxy");
}

/** The clone's own folder: keys, state, kubeconfig. Never committed, readable by its owner only. */
export const cloneDirectory = resolve(process.env.SANSPROXY_HOME || join(repository, ".sansproxy"));

export const clone = {
  env: join(cloneDirectory, "env"),
  kubeconfig: join(cloneDirectory, "kubeconfig"),
  ssh: join(cloneDirectory, "ssh"),
  passphrase: join(cloneDirectory, "passphrase"),
  state: join(cloneDirectory, "state"),
  pulumiHome: join(cloneDirectory, "pulumi"),
  bin: join(cloneDirectory, "bin"),
  bundle: join(cloneDirectory, "bundle"),
} as const;

/** Where the machines of all stacks keep their disks and records. */
export const machinesRoot = "/var/lib/sansproxy";
