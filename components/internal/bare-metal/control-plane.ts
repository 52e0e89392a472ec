// SPDX-License-Identifier: Apache-2.0
// The first control plane: made once by kubeadm init, and the source of the kubeconfig and of the CA's pin.

import type { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { HostContext } from "./host-steps.ts";
import { undoneOnHost } from "./host-steps.ts";
import { initConfiguration, type KubeadmCluster, upgradeConfiguration } from "./kubeadm-config.ts";
import { caCertHash, pointKubeconfigAt } from "./kubeconfig.ts";
import { remoteStep, secretReader } from "./remote-step.ts";

/** Port on which every control plane listens. */
export const apiBindPort = 6443;

/** The control plane, as the rest of the cluster uses it. */
export interface ControlPlane {
  readonly context: HostContext;
  readonly init: remote.Command;
  /** Secret. */
  readonly kubeconfig: pulumi.Output<string>;
  readonly caCertHash: pulumi.Output<string>;
}

/** Makes the first control plane and reads its kubeconfig. */
export function controlPlane(
  name: string,
  context: HostContext,
  cluster: pulumi.Output<KubeadmCluster>,
  ignorePreflightErrors: readonly string[],
  prepared: pulumi.Resource,
  parent: pulumi.Resource,
): ControlPlane {
  const { host, connection, variables } = context;
  const kubeadmInit = pulumi
    .all([cluster, host.address, host.ipv6Address])
    .apply(([known, address, ipv6Address]) =>
      initConfiguration(
        known,
        { name: host.name, role: host.role, address, ipv6Address, ignorePreflightErrors },
        apiBindPort,
      ),
    );
  const init = remoteStep(
    `${name}-init`,
    {
      step: "init",
      connection,
      seconds: 1800,
      deleteSeconds: 300,
      variables: {
        ...variables,
        INIT_SECONDS: 900,
        KUBEADM_INIT: kubeadmInit,
        KUBEADM_UPGRADE: upgradeConfiguration(),
      },
    },
    { parent, dependsOn: [prepared], ...undoneOnHost(host) },
  );
  const adminKubeconfig = secretReader(`${name}-kubeconfig`, "kubeconfig", connection, variables, context.privateKey, {
    parent,
    dependsOn: [init],
  });
  const kubeconfig = pulumi
    .all([adminKubeconfig, cluster])
    .apply(([text, known]) => pointKubeconfigAt(text, known.endpointHost, known.endpointPort));
  return { context, init, kubeconfig, caCertHash: pulumi.unsecret(kubeconfig.apply(caCertHash)) };
}
