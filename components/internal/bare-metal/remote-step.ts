// SPDX-License-Identifier: Apache-2.0
// One step on one host as a resource: script on standard input, bounded in time, safe to repeat.

import { remote, type types } from "@pulumi/command";
import type * as pulumi from "@pulumi/pulumi";
import { type HostStep, type ScriptVariables, scriptCommand, scriptInput } from "./scripts.ts";

/** What a step needs beside its name. */
export interface RemoteStep {
  readonly step: HostStep;
  readonly connection: types.input.remote.ConnectionArgs;
  readonly variables: ScriptVariables;
  /** Bound of `create` and `update`. */
  readonly seconds: number;
  /** Bound of `delete`; none means that there is nothing to undo. */
  readonly deleteSeconds?: number;
  /** Preflight judges the host's privileges itself. */
  readonly asRoot?: boolean;
  /** Nothing that the step says is logged or shown. */
  readonly silent?: boolean;
}

/**
 * `update` is given on purpose: a changed input runs the script's `run_update`, which finds everything done, instead of
 * replacing the step, which would take a working Node apart.
 */
export function remoteStep(name: string, args: RemoteStep, options: pulumi.CustomResourceOptions): remote.Command {
  const asRoot = args.asRoot ?? true;
  return new remote.Command(
    name,
    {
      connection: args.connection,
      create: scriptCommand("create", args.seconds, asRoot),
      update: scriptCommand("update", args.seconds, asRoot),
      ...(args.deleteSeconds === undefined ? {} : { delete: scriptCommand("delete", args.deleteSeconds, asRoot) }),
      stdin: scriptInput(args.step, args.variables),
      addPreviousOutputInEnv: false,
      ...(args.silent === true ? { logging: remote.Logging.None } : {}),
    },
    { deleteBeforeReplace: true, ...options },
  );
}

/** A command that only reads, so that running it again on an update gives the same output; its output is secret. */
export function secretReader(
  name: string,
  connection: types.input.remote.ConnectionArgs,
  command: string,
  options: pulumi.CustomResourceOptions,
): remote.Command {
  const create = `timeout -k 10 60 $([ "$(id -u)" -eq 0 ] || echo sudo -n) ${command}`;
  return new remote.Command(
    name,
    { connection, create, update: create, addPreviousOutputInEnv: false, logging: remote.Logging.None },
    { additionalSecretOutputs: ["stdout", "stderr"], ...options },
  );
}
