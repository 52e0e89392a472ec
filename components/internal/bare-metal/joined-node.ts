// SPDX-License-Identifier: Apache-2.0
// A host's way into the cluster, to its next version, and out again: a token of its own, admitted only while it joins.

import type { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { ControlPlane } from "./control-plane.ts";
import { apiBindPort, apiCertificate } from "./control-plane.ts";
import { type HostContext, undoneOnHost } from "./host-steps.ts";
import { authority, joinConfiguration, type KubeadmCluster, uploadCertsConfiguration } from "./kubeadm-config.ts";
import { remoteStep, secretReader } from "./remote-step.ts";
import { type UpgradeArgs, upgradeStep } from "./upgrade.ts";

/** The steps by which others wait for a joined host. */
export interface JoinedNode {
  readonly join: remote.Command;
  readonly member: remote.Command;
}

/** What a host needs to join beside itself and the control plane. */
export interface JoinArgs {
  readonly cluster: pulumi.Output<KubeadmCluster>;
  readonly upgrade: UpgradeArgs;
  readonly prepared: pulumi.Resource;
  /** Steps that must be over before this host is admitted. */
  readonly after: readonly pulumi.Resource[];
  /** The hosts that are upgraded before this one. */
  readonly upgradedBefore: readonly pulumi.Resource[];
}

const admitSeconds = 900;
const joinSeconds = 840;

/**
 * `admit` and `join` run at the same time: the one on the control plane makes the host's token valid and takes it back as
 * soon as the Node is registered; the other polls until the token counts. A token is worth nothing outside of that.
 */
export function joinNode(
  context: HostContext,
  controlPlane: ControlPlane,
  args: JoinArgs,
  parent: pulumi.Resource,
): JoinedNode {
  const { host, prefix, connection, variables } = context;
  const { ignorePreflightErrors, drainSeconds, inputs } = args.upgrade;
  // Another address is another machine: it leaves and joins as one.
  const identity = { parent, replacementTrigger: host.address };
  const onControlPlane = {
    connection: controlPlane.context.connection,
    variables: { ...controlPlane.context.variables, JOIN_NAME: host.name, JOIN_ROLE: host.role },
  };

  const credentials = secretReader(
    `${prefix}-token`,
    "credentials",
    onControlPlane.connection,
    onControlPlane.variables,
    context.privateKey,
    { ...identity, dependsOn: [controlPlane.upgrade] },
  ).apply((text) => {
    const [token = "", certificateKey = ""] = text.trim().split(/\s+/);
    return { token, certificateKey };
  });
  const kubeadmJoin = pulumi
    .all([args.cluster, host.address, host.ipv6Address, credentials, controlPlane.caCertHash])
    .apply(([cluster, address, ipv6Address, secrets, caCertHash]) =>
      joinConfiguration(
        cluster,
        { name: host.name, role: host.role, address, ipv6Address, ignorePreflightErrors },
        apiBindPort,
        { ...secrets, caCertHash },
      ),
    );

  const admit = remoteStep(
    `${prefix}-admit`,
    {
      step: "admit",
      connection: onControlPlane.connection,
      seconds: admitSeconds + 60,
      variables: {
        ...onControlPlane.variables,
        ADMIT_SECONDS: admitSeconds,
        TOKEN: credentials.apply((secrets) => secrets.token),
        UPLOAD_CERTS:
          host.role === "control-plane"
            ? pulumi
                .all([args.cluster, credentials])
                .apply(([cluster, secrets]) => uploadCertsConfiguration(cluster, secrets.certificateKey))
            : "",
      },
    },
    { ...identity, dependsOn: [args.prepared, ...args.after] },
  );
  const join = remoteStep(
    `${prefix}-join`,
    {
      step: "join",
      connection,
      seconds: joinSeconds + 660,
      deleteSeconds: 300,
      variables: {
        ...variables,
        JOIN_SECONDS: joinSeconds,
        API_AUTHORITY: args.cluster.apply((cluster) => authority(cluster.endpointHost, cluster.endpointPort)),
        KUBEADM_JOIN: kubeadmJoin,
      },
    },
    { ...identity, dependsOn: [args.prepared, ...args.after], ...undoneOnHost(host) },
  );
  // With the version, so that another one runs all three steps of an upgrade.
  const use = {
    ...onControlPlane.variables,
    DRAIN_SECONDS: drainSeconds,
    KUBERNETES_VERSION: inputs.kubernetesVersion,
  };
  const drain = remoteStep(
    `${prefix}-drain`,
    {
      step: "drain",
      ...onControlPlane,
      seconds: drainSeconds + 180,
      variables: use,
    },
    { parent, dependsOn: [admit, join, ...args.upgradedBefore] },
  );
  const upgrade = upgradeStep(`${prefix}-upgrade`, context, args.upgrade, { parent, dependsOn: [drain] });
  const member = remoteStep(
    `${prefix}-member`,
    {
      step: "member",
      ...onControlPlane,
      seconds: 180,
      deleteSeconds: drainSeconds + 180,
      variables: use,
    },
    // When the whole cluster goes there is nowhere to drain to.
    { ...identity, dependsOn: [upgrade], deletedWith: controlPlane.init },
  );
  if (host.role === "control-plane") {
    const dependsOn = [member];
    apiCertificate(`${prefix}-certificate`, context, args.cluster, ignorePreflightErrors, { parent, dependsOn });
  }
  return { join, member };
}
