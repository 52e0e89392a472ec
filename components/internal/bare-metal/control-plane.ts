// SPDX-License-Identifier: Apache-2.0
// The first control plane: made once by kubeadm init, first in every upgrade, and the source of the kubeconfig and of the CA's pin.

import type { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { HostContext } from "./host-steps.ts";
import { undoneOnHost } from "./host-steps.ts";
import { initConfiguration, type KubeadmCluster } from "./kubeadm-config.ts";
import { caCertHash, pointKubeconfigAt } from "./kubeconfig.ts";
import { remoteStep, secretReader } from "./remote-step.ts";
import { type UpgradeArgs, upgradeStep } from "./upgrade.ts";

/** Port on which every control plane listens. */
export const apiBindPort = 6443;

/** The control plane, as the rest of the cluster uses it. */
export interface ControlPlane {
  readonly context: HostContext;
  readonly init: remote.Command;
  /** When this is over, the control plane runs the cluster's version. */
  readonly upgrade: remote.Command;
  /** Secret. */
  readonly kubeconfig: pulumi.Output<string>;
  readonly caCertHash: pulumi.Output<string>;
}

/** Makes the first control plane and reads its kubeconfig. */
export function controlPlane(
  name: string,
  context: HostContext,
  cluster: pulumi.Output<KubeadmCluster>,
  upgradeArgs: UpgradeArgs,
  prepared: pulumi.Resource,
  parent: pulumi.Resource,
): ControlPlane {
  const { connection, variables, host } = context;
  const { ignorePreflightErrors } = upgradeArgs;
  const init = remoteStep(
    `${name}-init`,
    {
      step: "init",
      connection,
      seconds: 1800,
      deleteSeconds: 300,
      variables: {
        ...variables,
        KUBERNETES_VERSION: upgradeArgs.inputs.kubernetesVersion,
        INIT_SECONDS: 900,
        KUBEADM_INIT: kubeadmInit(context, cluster, ignorePreflightErrors),
      },
    },
    { parent, dependsOn: [prepared], ...undoneOnHost(host) },
  );
  const upgrade = upgradeStep(`${name}-upgrade`, context, upgradeArgs, { parent, dependsOn: [init] });
  apiCertificate(`${name}-certificate`, context, cluster, ignorePreflightErrors, { parent, dependsOn: [upgrade] });
  const adminKubeconfig = secretReader(`${name}-kubeconfig`, "kubeconfig", connection, variables, context.privateKey, {
    parent,
    dependsOn: [upgrade],
  });
  const kubeconfig = pulumi
    .all([adminKubeconfig, cluster])
    .apply(([text, known]) => pointKubeconfigAt(text, known.endpointHost, known.endpointPort));
  return { context, init, upgrade, kubeconfig, caCertHash: pulumi.unsecret(kubeconfig.apply(caCertHash)) };
}

/** What kubeadm reads to make this host a control plane of its own. */
function kubeadmInit(
  { host }: HostContext,
  cluster: pulumi.Output<KubeadmCluster>,
  ignorePreflightErrors: readonly string[],
): pulumi.Output<string> {
  return pulumi
    .all([cluster, host.address, host.ipv6Address])
    .apply(([known, address, ipv6Address]) =>
      initConfiguration(
        known,
        { name: host.name, role: host.role, address, ipv6Address, ignorePreflightErrors },
        apiBindPort,
      ),
    );
}

/** Keeps the names in a control plane's certificate those that are asked for. */
export function apiCertificate(
  name: string,
  context: HostContext,
  cluster: pulumi.Output<KubeadmCluster>,
  ignorePreflightErrors: readonly string[],
  options: pulumi.CustomResourceOptions,
): remote.Command {
  const variables = {
    ...context.variables,
    API_PORT: apiBindPort,
    KUBEADM_INIT: kubeadmInit(context, cluster, ignorePreflightErrors),
  };
  return remoteStep(name, { step: "certificate", connection: context.connection, seconds: 900, variables }, options);
}
