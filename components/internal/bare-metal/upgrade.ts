// SPDX-License-Identifier: Apache-2.0
// A member's way to another version of Kubernetes: refused or told at the preview, done host by host in the update.

import type { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { refuseProblems } from "../input-errors.ts";
import { upgradeRule } from "../kubernetes-version.ts";
import { type HostContext, programVariables } from "./host-steps.ts";
import type { CheckedInputs } from "./inputs.ts";
import { upgradeConfiguration } from "./kubeadm-config.ts";
import { remoteStep } from "./remote-step.ts";
import { versionGiven } from "./step-version.ts";

/** What an upgrade needs beside the host. */
export interface UpgradeArgs {
  /** The cluster's resource, as messages name it. */
  readonly what: string;
  readonly inputs: CheckedInputs;
  readonly ignorePreflightErrors: readonly string[];
  readonly drainSeconds: number;
}

const upgradeSeconds = 1500;

/** Brings a member to the cluster's version; one that runs it is left alone. */
export function upgradeStep(
  name: string,
  { host, connection, variables }: HostContext,
  { what, inputs, ignorePreflightErrors, drainSeconds }: UpgradeArgs,
  options: pulumi.CustomResourceOptions,
): remote.Command {
  return remoteStep(
    name,
    {
      step: "upgrade",
      connection,
      seconds: upgradeSeconds + 1500,
      variables: {
        ...variables,
        ...programVariables(inputs, host.role),
        UPGRADE_SECONDS: upgradeSeconds,
        DRAIN_SECONDS: drainSeconds,
        KUBEADM_UPGRADE: upgradeConfiguration(ignorePreflightErrors),
      },
    },
    { ...options, hooks: announceUpgrade(`${name}-announcement`, what, host.name) },
  );
}

/** Without an engine (a program under mocks) nothing could call the hook. */
function announceUpgrade(name: string, what: string, host: string): pulumi.ResourceHookBinding {
  if (!pulumi.runtime.hasEngine()) return {};
  const hook = new pulumi.ResourceHook(
    name,
    async ({ oldInputs, newInputs }) => {
      const [from, to] = [versionGiven(oldInputs?.["stdin"]), versionGiven(newInputs?.["stdin"])];
      if (from === undefined || to === undefined || from === to) return;
      refuseProblems(what, upgradeRule("kubernetesVersion", from, to));
      if (!pulumi.runtime.isDryRun()) return;
      await pulumi.log.info(
        `${host} goes from Kubernetes ${from} to ${to} in its turn: it is drained, upgraded by kubeadm without kube-proxy, and taken back into use when it is Ready.`,
      );
    },
    { onDryRun: true },
  );
  return { beforeUpdate: [hook] };
}
