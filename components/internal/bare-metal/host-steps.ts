// SPDX-License-Identifier: Apache-2.0
// The steps of every host before it is in a cluster: judged, claimed, given the bundle's files, prepared.

import { remote, type types } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { BareMetalClusterArgs } from "./args.ts";
import { bundleVariables, fileLabel, filesForRole, remotePath } from "./bundle.ts";
import { sshConnection } from "./connection.ts";
import { explainContact } from "./first-contact.ts";
import type { CheckedHost, CheckedInputs } from "./inputs.ts";
import { authority, type KubeadmCluster } from "./kubeadm-config.ts";
import { remoteStep } from "./remote-step.ts";
import type { ScriptVariables } from "./scripts.ts";

/** A host with what its steps have in common. */
export interface HostContext {
  readonly host: CheckedHost;
  /** Prefix of the names of the host's resources. */
  readonly prefix: string;
  readonly connection: types.input.remote.ConnectionArgs;
  readonly variables: ScriptVariables;
  /** The SSH key of all hosts. Secret. */
  readonly privateKey: pulumi.Output<string>;
}

const minimumMemoryMib: Readonly<Record<string, number>> = { "control-plane": 1700, worker: 512 };
const minimumDiskMib: Readonly<Record<string, number>> = { "control-plane": 4096, worker: 3072 };
const requiredPorts: Readonly<Record<string, string>> = {
  "control-plane": "2379 2380 6443 10250 10256 10257 10259",
  worker: "10250 10256",
};

/** The hosts with their connections. `clusterId` marks a host as this cluster's own. */
export function hostContexts(
  name: string,
  clusterId: string,
  args: BareMetalClusterArgs,
  inputs: CheckedInputs,
): HostContext[] {
  const first = inputs.hosts.find((host) => host.role === "control-plane");
  const bastion =
    inputs.bastion === undefined
      ? undefined
      : {
          host: inputs.bastion.host,
          port: inputs.bastion.port,
          user: inputs.bastion.user,
          privateKey: inputs.bastion.privateKey ?? args.privateKey,
          hostKey: inputs.bastion.hostKey,
        };
  return inputs.hosts.map((host) => ({
    host,
    prefix: `${name}-${host.name}`,
    privateKey: pulumi.secret(args.privateKey),
    connection: sshConnection(
      {
        host: host.address,
        port: host.port,
        user: host.user,
        privateKey: args.privateKey,
        hostKey: host.insecureIgnoreHostKey === true ? undefined : host.hostKey,
      },
      bastion,
    ),
    variables: {
      HOST_NAME: host.name,
      HOST_ADDRESS: host.address,
      HOST_ROLE: host.role,
      HOST_FIRST: host === first ? "yes" : "no",
      CLUSTER_ID: clusterId,
    },
  }));
}

/** What cannot change of a cluster that exists: noted in every host's claim, and compared before any host is touched. */
export function fixedFacts(cluster: pulumi.Output<KubeadmCluster>, first: HostContext): ScriptVariables {
  return {
    CONTROL_PLANE: first.host.address,
    ENDPOINT: cluster.apply(({ endpointHost, endpointPort }) => authority(endpointHost, endpointPort)),
    POD_CIDRS: cluster.apply(({ podCidrs }) => podCidrs.join(",")),
    SERVICE_CIDRS: cluster.apply(({ serviceCidrs }) => serviceCidrs.join(",")),
    DNS_DOMAIN: cluster.apply(({ dnsDomain }) => dnsDomain),
  };
}

/** Judges the host; every host is judged before anything is created on any. */
export function preflight(
  context: HostContext,
  inputs: CheckedInputs,
  facts: ScriptVariables,
  minimumKernel: string,
  parent: pulumi.Resource,
): remote.Command {
  const { role } = context.host;
  return remoteStep(
    `${context.prefix}-preflight`,
    {
      step: "preflight",
      connection: context.connection,
      asRoot: false,
      seconds: 120,
      variables: {
        ...context.variables,
        ...facts,
        KUBERNETES_VERSION: inputs.kubernetesVersion,
        MINIMUM_KERNEL: minimumKernel,
        MINIMUM_MEMORY_MIB: minimumMemoryMib[role] ?? 0,
        MINIMUM_DISK_MIB: minimumDiskMib[role] ?? 0,
        REQUIRED_PORTS: requiredPorts[role] ?? "",
        PACKAGE_SOURCE: inputs.bundle === undefined ? "apt" : "bundle",
        HOST_IPV6: context.host.ipv6Address,
      },
    },
    {
      parent,
      hooks: explainContact(`${context.prefix}-contact`, contactFacts(context, inputs), parent),
    },
  );
}

function contactFacts({ host }: HostContext, { bastion }: CheckedInputs) {
  return pulumi
    .all([host.address, host.port ?? 22, host.user ?? "root", bastion?.host ?? ""])
    .apply(([address, port, user, through]) => ({
      name: host.name,
      address,
      port,
      user,
      ...(through === "" ? {} : { bastion: through }),
    }));
}

/** Options of a step whose undoing has to reach the host. */
export function undoneOnHost(host: CheckedHost): pulumi.CustomResourceOptions {
  return { retainOnDelete: host.resetOnRemove === false };
}

/** Which Kubernetes a host gets, and where from. */
export function programVariables(inputs: CheckedInputs, role: string): ScriptVariables {
  const { PACKAGE_SOURCE, BUNDLE_PROGRAMS } = bundleVariables(inputs.bundle, role);
  return {
    KUBERNETES_VERSION: inputs.kubernetesVersion,
    PACKAGE_SOURCE,
    BUNDLE_PROGRAMS,
    APT_REPOSITORY: inputs.packageRepository.url.replace(/\/+$/, ""),
    APT_KEY_FINGERPRINT: inputs.packageRepository.keyFingerprint.replaceAll(" ", "").toUpperCase(),
  };
}

/** Claims the host, copies what it needs and prepares it; gives the last of these steps. */
export function prepare(
  context: HostContext,
  inputs: CheckedInputs,
  facts: ScriptVariables,
  preflights: readonly pulumi.Resource[],
  parent: pulumi.Resource,
): remote.Command {
  const { host, prefix, connection, variables } = context;
  const { bundle } = inputs;
  const claim = remoteStep(
    `${prefix}-claim`,
    { step: "claim", connection, variables: { ...variables, ...facts }, seconds: 660, deleteSeconds: 180 },
    { parent, dependsOn: [...preflights], ...undoneOnHost(host) },
  );
  const copies =
    bundle === undefined
      ? []
      : filesForRole(bundle, host.role).map(
          (file) =>
            new remote.CopyToRemote(
              `${prefix}-copy-${fileLabel(file)}`,
              {
                connection,
                source: new pulumi.asset.FileAsset(`${bundle.folder}/${file.path}`),
                remotePath: remotePath(file),
              },
              { parent, dependsOn: [claim] },
            ),
        );
  return remoteStep(
    `${prefix}-prepare`,
    {
      step: "prepare",
      connection,
      seconds: 1800,
      variables: {
        ...variables,
        ...programVariables(inputs, host.role),
        ...bundleVariables(bundle, host.role),
        HOST_IPV6: context.host.ipv6Address,
      },
    },
    { parent, dependsOn: [claim, ...copies] },
  );
}
