// SPDX-License-Identifier: Apache-2.0
// Keeps the clone's own folder: keys, passphrase, Pulumi's home and state, and the file that makes `pulumi` work by hand.

import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { run } from "../host/exec.ts";
import { clone, cloneDirectory, repository } from "../host/paths.ts";

/** Name of the Pulumi stack, and of the machines' stack: another name makes a second one beside it on the same box. */
export const stackName = process.env.SANSPROXY_STACK || "local";

const configurationFile = join(repository, `Pulumi.${stackName}.yaml`);

/** What Pulumi has to be told: where its state is, how secrets are locked, and to fetch nothing. */
function pulumiSettings(): Record<string, string> {
  return {
    SANSPROXY_HOME: cloneDirectory,
    PULUMI_HOME: clone.pulumiHome,
    PULUMI_BACKEND_URL: `file://${clone.state}`,
    PULUMI_CONFIG_PASSPHRASE_FILE: clone.passphrase,
    PULUMI_SKIP_UPDATE_CHECK: "true",
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
  };
}

/** The environment of every Pulumi run. */
export function pulumiEnvironment(env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  // A passphrase or a token of the person's own must not decide about this stack.
  const { PULUMI_CONFIG_PASSPHRASE: _, PULUMI_ACCESS_TOKEN: __, ...rest } = env;
  return { ...rest, ...pulumiSettings(), PATH: `${clone.bin}${delimiter}${env.PATH ?? ""}` };
}

/** Makes what is missing of the clone's folder; what is there stays. */
export async function prepareWorkspace(): Promise<void> {
  for (const folder of [cloneDirectory, clone.state, clone.ssh, clone.pulumiHome, clone.bin]) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  }
  await chmod(cloneDirectory, 0o700);
  if (!existsSync(clone.passphrase)) {
    await forgetSalt(configurationFile);
    await writeFile(clone.passphrase, `${randomBytes(24).toString("base64url")}\n`, { mode: 0o600 });
  }
  const key = join(clone.ssh, "id_ed25519");
  if (!existsSync(key) || !existsSync(`${key}.pub`)) {
    await rm(key, { force: true });
    await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "sansproxy", "-f", key]);
  }
  await writeFile(clone.env, environmentFile(), { mode: 0o600 });
}

/** A file for `. .sansproxy/env`, after which `pulumi up` typed by hand does what `npm run up` does. */
export function environmentFile(): string {
  const lines = Object.entries(pulumiSettings()).map(([name, value]) => `export ${name}=${quote(value)}`);
  return [
    "# Made by `npm run up`: source it in a shell of this clone, and `pulumi up` works by hand.",
    `case ":$PATH:" in *:${quote(clone.bin)}:*) ;; *) PATH=${quote(clone.bin)}:$PATH ;; esac`,
    "export PATH",
    "unset PULUMI_CONFIG_PASSPHRASE PULUMI_ACCESS_TOKEN",
    ...lines,
    "",
  ].join("\n");
}

/** Selects the stack, making it first when there is none. */
export async function selectStack(): Promise<void> {
  if (!stackExists()) await forgetSalt(configurationFile);
  await run(join(clone.bin, "pulumi"), ["stack", "select", "--create", stackName], {
    cwd: repository,
    env: pulumiEnvironment(),
  });
}

/** What locks a stack's secrets is bound to a passphrase; where that or the stack is gone, Pulumi would refuse the new one. */
export async function forgetSalt(configFile: string): Promise<void> {
  if (!existsSync(configFile)) return;
  const text = await readFile(configFile, "utf8");
  const kept = text.replace(/^encryptionsalt:.*\n?/m, "");
  if (kept.trim() === "") await rm(configFile);
  else if (kept !== text) await writeFile(configFile, kept);
}

/** True when Pulumi's state knows the stack. */
export function stackExists(): boolean {
  return existsSync(join(clone.state, ".pulumi/stacks/sansproxy", `${stackName}.json`));
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
