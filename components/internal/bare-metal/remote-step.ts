// SPDX-License-Identifier: Apache-2.0
// One step on one host as a resource: script on standard input, bounded in time, safe to repeat.

import { remote, type types } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { knownNow } from "../input-errors.ts";
import { type HostStep, type ScriptVariables, scriptCommand, scriptInput } from "./scripts.ts";
import { openSeal, sealKey } from "./sealed.ts";

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
  const sudo = (args.asRoot ?? true) && knownNow(args.connection.user) !== "root";
  return new remote.Command(
    name,
    {
      connection: args.connection,
      create: scriptCommand("create", args.seconds, sudo),
      update: scriptCommand("update", args.seconds, sudo),
      ...(args.deleteSeconds === undefined ? {} : { delete: scriptCommand("delete", args.deleteSeconds, sudo) }),
      stdin: scriptInput(args.step, args.variables),
      addPreviousOutputInEnv: false,
      ...(args.silent === true ? { logging: remote.Logging.None } : {}),
    },
    { deleteBeforeReplace: true, ...options },
  );
}

/** What the control plane is asked for: its administrator's kubeconfig, or a fresh token and certificate key. */
export type Sealed = "kubeconfig" | "credentials";

/** Reads a secret of the control plane; running it again, on an update, gives an output of the same worth. */
export function secretReader(
  name: string,
  sealed: Sealed,
  connection: types.input.remote.ConnectionArgs,
  variables: ScriptVariables,
  privateKey: pulumi.Output<string>,
  options: pulumi.CustomResourceOptions,
): pulumi.Output<string> {
  const key = privateKey.apply(sealKey);
  const reader = remoteStep(
    name,
    {
      step: "seal",
      connection,
      seconds: 60,
      silent: true,
      variables: { ...variables, SEALED: sealed, SEAL_KEY: key },
    },
    { additionalSecretOutputs: ["stdout", "stderr"], ...options },
  );
  return pulumi.secret(pulumi.all([reader.stdout, key]).apply(([text, opened]) => openSeal(text, opened)));
}
