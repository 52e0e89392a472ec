// SPDX-License-Identifier: Apache-2.0
// Composes what a step sends to a host: values as shell variables, then the shared prelude, then the step's own script.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { packageRoot } from "../package-root.ts";

/** The steps that run on a host; each is a file of this folder. */
export const hostSteps = [
  "preflight",
  "claim",
  "prepare",
  "init",
  "admit",
  "join",
  "drain",
  "upgrade",
  "member",
  "certificate",
  "seal",
] as const;
export type HostStep = (typeof hostSteps)[number];

/** A script's variables. A secret value makes the whole text secret. */
export type ScriptVariables = Readonly<Record<string, pulumi.Input<string | number>>>;

const folder = join(packageRoot, "components", "internal", "bare-metal");
/** What steps have in common, in files of their own. */
const parts: Readonly<Partial<Record<HostStep, readonly string[]>>> = {
  prepare: ["programs"],
  init: ["reset", "no-kube-proxy"],
  join: ["reset"],
  drain: ["cordon"],
  upgrade: ["programs", "cordon", "no-kube-proxy"],
  member: ["cordon"],
};

function readScript(name: string): string {
  return readFileSync(join(folder, `${name}.sh`), "utf8");
}

/** The value as one word of the shell, whatever characters it has. */
export function shellWord(value: string): string {
  return `'${value.replaceAll("'", "'\\''")}'`;
}

/** The text of a step without its variables. */
export function scriptBody(step: HostStep): string {
  return ["prelude", ...(parts[step] ?? []), step].map(readScript).join("\n");
}

/**
 * What is sent to the standard input of `bash -s`. The functions are read in full before one of them runs, and that one
 * does not see the rest of the input.
 */
export function scriptInput(step: HostStep, variables: ScriptVariables): pulumi.Output<string> {
  return pulumi.output(variables as Record<string, string | number>).apply((values) => {
    const assignments = Object.entries(values).map(([name, value]) => `${name}=${shellWord(String(value))}`);
    return `${assignments.join("\n")}\n${scriptBody(step)}\n"run_$1" </dev/null\n`;
  });
}

/** The command line of a step: bounded in time, with nothing in it that is worth hiding; `sudo` unless it runs as root. */
export function scriptCommand(action: "create" | "update" | "delete", seconds: number, sudo: boolean): string {
  const root = sudo ? '$([ "$(id -u)" -eq 0 ] || echo sudo -n) ' : "";
  return `timeout -k 10 ${seconds} ${root}bash -euo pipefail -s -- ${action}`;
}
