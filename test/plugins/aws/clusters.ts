// SPDX-License-Identifier: Apache-2.0
// Simulates EKS: control planes that really answer, add-ons, access, and identities of Pods.
import { type Account, newId } from "../clouds/account.ts";
import { clientOf, folderOf } from "../clouds/clusters/cluster.ts";
import { installKubeProxy } from "../clouds/clusters/kube-proxy.ts";
import { clustersOf, createCluster, deleteCluster } from "../clouds/clusters/lifecycle.ts";
import {
  CreatedInFailure,
  type Kind,
  type Reference,
  record,
  type Surroundings,
  text,
  valuesAt,
} from "../clouds/kind.ts";
import type { CheckFailure } from "../provider.ts";
import { type Dict, Unknown } from "../values.ts";
import { byArn } from "./identity.ts";
import { arn, tokens as network, refer } from "./network.ts";

export const tokens = {
  cluster: "aws:eks/cluster:Cluster",
  nodeGroup: "aws:eks/nodeGroup:NodeGroup",
  addon: "aws:eks/addon:Addon",
  accessEntry: "aws:eks/accessEntry:AccessEntry",
  accessPolicy: "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
  podIdentity: "aws:eks/podIdentityAssociation:PodIdentityAssociation",
} as const;

/** Versions that EKS offers, oldest first. Behind all of them is the one Kubernetes that this repository builds. */
export const versions = ["1.32", "1.33", "1.34", "1.35", "1.36"];

export const inCluster = (holds: boolean): Reference => ({
  type: tokens.cluster,
  by: ["name"],
  missing: "ResourceNotFoundException: No cluster found for name",
  holds,
});

const clusterMinutes = 9;
/** What EKS gives an add-on before it calls its creation a failure. */
const addonMinutes = 20;
const knownAddons = ["vpc-cni", "coredns", "kube-proxy", "eks-pod-identity-agent", "aws-ebs-csi-driver"];

const oneOf = (inputs: Dict, property: string, values: readonly string[], value = inputs[property]): CheckFailure[] => {
  if (value === undefined || value instanceof Unknown || values.includes(text(value))) return [];
  return [{ property, reason: `"${text(value)}" is not one of ${values.join(", ")}` }];
};

/** The id under which a cluster's control plane is kept. */
export const clusterId = (name: string): string => `eks-${name}`;

const cluster: Kind = {
  token: tokens.cluster,
  autoName: "name",
  unique: "name",
  immutable: [
    "name",
    "roleArn",
    "bootstrapSelfManagedAddons",
    "kubernetesNetworkConfig.serviceIpv4Cidr",
    "kubernetesNetworkConfig.ipFamily",
    "accessConfig.bootstrapClusterCreatorAdminPermissions",
    "encryptionConfig",
    "vpcConfig.subnetIds",
  ],
  computed: [
    "arn",
    "certificateAuthority",
    "clusterId",
    "createdAt",
    "endpoint",
    "identities",
    "platformVersion",
    "status",
  ],
  merged: { vpcConfig: ["clusterSecurityGroupId", "vpcId"] },
  references: {
    roleArn: byArn,
    "vpcConfig.subnetIds": refer(network.subnet, "InvalidParameterException: The subnet ID does not exist"),
    "vpcConfig.securityGroupIds": refer(
      network.securityGroup,
      "InvalidParameterException: The security group does not exist",
    ),
  },
  held: "ResourceInUseException: Cluster has nodegroups attached",
  check: (inputs) => [
    ...oneOf(inputs, "version", versions),
    ...oneOf(
      inputs,
      "accessConfig.authenticationMode",
      ["API", "API_AND_CONFIG_MAP", "CONFIG_MAP"],
      record(inputs["accessConfig"])["authenticationMode"],
    ),
    ...(record(inputs["vpcConfig"])["endpointPublicAccess"] === false &&
    record(inputs["vpcConfig"])["endpointPrivateAccess"] !== true
      ? [
          {
            property: "vpcConfig",
            reason: "InvalidParameterException: private and public endpoint access cannot both be disabled",
          },
        ]
      : []),
  ],
  async create(inputs, around) {
    const name = text(inputs["name"]);
    const region = around.settings["region"] ?? "";
    const subnetIds = valuesAt(inputs, "vpcConfig.subnetIds").map(text);
    const zones = new Set(
      subnetIds.map((id) => text(around.account.get(network.subnet, id)?.outputs["availabilityZone"])),
    );
    if (zones.size < 2) {
      throw new Error(
        `InvalidParameterException: Subnets specified must be in at least two different AZs (given: ${[...zones].join(", ")})`,
      );
    }
    const vpcId = text(around.account.get(network.subnet, subnetIds[0] ?? "")?.outputs["vpcId"]);
    const plan = {
      id: clusterId(name),
      serviceCidr: text(record(inputs["kubernetesNetworkConfig"])["serviceIpv4Cidr"]) || "172.20.0.0/16",
      // As with AWS' own plugin, Pods get addresses of the nodes' network.
      podCidr: text(around.account.get(network.subnet, subnetIds[0] ?? "")?.outputs["cidrBlock"]),
      kubeProxyOnNodes: false,
      surroundings: { cloud: "aws" as const, cluster: name, region, networkId: vpcId, subnetIds },
    };
    const say = (line: string): void => around.subject.log("info", `simulated eks: ${line}`, { ephemeral: true });
    const [endpoint] = await Promise.all([
      createCluster(around.account, plan, say, around.subject.signal),
      around.clock.pass(clusterMinutes, around.subject.signal),
    ]);
    if (inputs["bootstrapSelfManagedAddons"] !== false) {
      const directory = folderOf(around.account, clusterId(name));
      await clustersOf(around.account).installPodNetwork(directory);
      await clustersOf(around.account).installDns(directory);
      await installKubeProxy(clientOf(directory));
    }
    const issuer = `https://oidc.eks.${region}.simulated.invalid/id/${newId("").toUpperCase()}`;
    return {
      id: name,
      outputs: {
        arn: arn("eks", region, `cluster/${name}`),
        certificateAuthority: { data: Buffer.from(endpoint.certificateAuthority).toString("base64") },
        createdAt: new Date().toISOString(),
        endpoint: `https://${endpoint.host}${endpoint.port === 443 ? "" : `:${endpoint.port}`}`,
        identities: [{ oidcs: [{ issuer }] }],
        platformVersion: "eks.1",
        status: "ACTIVE",
        vpcConfig: { ...record(inputs["vpcConfig"]), clusterSecurityGroupId: newId("sg-"), vpcId },
      },
    };
  },
  async update(stored, inputs, { clock, subject }) {
    const [before, after] = [text(stored.inputs["version"]), text(inputs["version"])].map((one) =>
      versions.indexOf(one),
    );
    if (before !== undefined && after !== undefined && before >= 0 && after >= 0 && before !== after) {
      if (after < before)
        throw new Error(
          "InvalidParameterException: Unsupported Kubernetes minor version update: a cluster is not downgraded",
        );
      if (after > before + 1) {
        throw new Error(
          `InvalidParameterException: Unsupported Kubernetes minor version update from ${versions[before]} to ${versions[after]}: one minor version at a time`,
        );
      }
      await clock.pass(clusterMinutes, subject.signal);
    }
    return {};
  },
  async remove(stored, { account, clock, subject }) {
    if (stored.inputs["deletionProtection"] === true) {
      throw new Error(`InvalidRequestException: cluster ${stored.id} has deletion protection enabled`);
    }
    await clock.pass(2, subject.signal);
    await deleteCluster(account, clusterId(text(stored.outputs["name"])));
    // What AWS deletes with a cluster: what exists only in it.
    for (const type of [tokens.addon, tokens.accessEntry, tokens.accessPolicy, tokens.podIdentity]) {
      for (const { id, inputs } of account.list(type))
        if (inputs["clusterName"] === stored.outputs["name"]) account.remove(type, id);
    }
  },
};

const directoryOf = (account: Account, inputs: Dict): string =>
  folderOf(account, clusterId(text(inputs["clusterName"])));

/** Does in the cluster what AWS' own images would do there. */
const installAddon = async (account: Account, inputs: Dict): Promise<void> => {
  const clusters = clustersOf(account);
  if (inputs["addonName"] === "vpc-cni") await clusters.installPodNetwork(directoryOf(account, inputs));
  if (inputs["addonName"] === "coredns") await clusters.installDns(directoryOf(account, inputs));
  if (inputs["addonName"] === "kube-proxy") await installKubeProxy(clientOf(directoryOf(account, inputs)));
};

const addon: Kind = {
  token: tokens.addon,
  immutable: ["clusterName", "addonName"],
  computed: ["arn", "createdAt", "modifiedAt"],
  references: { clusterName: inCluster(false), serviceAccountRoleArn: byArn },
  check(inputs) {
    const failures = oneOf(inputs, "addonName", knownAddons);
    for (const property of ["resolveConflictsOnCreate", "resolveConflictsOnUpdate"]) {
      const values = property.endsWith("Create") ? ["NONE", "OVERWRITE"] : ["NONE", "OVERWRITE", "PRESERVE"];
      failures.push(...oneOf(inputs, property, values));
    }
    const values = inputs["configurationValues"];
    if (typeof values === "string") {
      try {
        JSON.parse(values);
      } catch {
        failures.push({
          property: "configurationValues",
          reason: "has to be a JSON (or YAML) text: this one is not JSON",
        });
      }
    }
    return failures;
  },
  async create(inputs, around) {
    const { account, clock, subject, settings } = around;
    const [clusterName, addonName] = [text(inputs["clusterName"]), text(inputs["addonName"])];
    const id = `${clusterName}:${addonName}`;
    if (account.get(tokens.addon, id) !== undefined)
      throw new Error(`ResourceInUseException: Addon already exists: ${addonName}`);
    const now = new Date().toISOString();
    const outputs = {
      arn: arn("eks", settings["region"] ?? "", `addon/${clusterName}/${addonName}`),
      createdAt: now,
      modifiedAt: now,
      addonVersion: text(inputs["addonVersion"]) || "v1.0.0-eksbuild.1",
    };
    await installAddon(account, inputs);
    await clock.pass(0.5, subject.signal);
    // A DaemonSet has nothing to run without nodes; CoreDNS is a Deployment, whose Pods wait for one.
    if (addonName !== "coredns") return { id, outputs };
    const active = await clock.until(addonMinutes, subject.signal, async () =>
      (await clustersOf(account).dnsReady(directoryOf(account, inputs))) ? true : undefined,
    );
    if (active) return { id, outputs };
    throw new CreatedInFailure(
      { id, outputs },
      `waiting for EKS Add-On (${id}) create: timeout while waiting for state to become 'ACTIVE' (last state: 'DEGRADED', timeout: 20m0s): InsufficientNumberOfReplicas: The add-on is unhealthy because it doesn't have the desired number of replicas.`,
    );
  },
  async update(_stored, inputs, { account, clock, subject }) {
    await installAddon(account, inputs);
    await clock.pass(0.5, subject.signal);
    return { modifiedAt: new Date().toISOString() };
  },
};

const simple = (
  token: string,
  immutable: string[],
  computed: (inputs: Dict, region: string) => Dict,
  more: Partial<Kind> = {},
): Kind => ({
  token,
  immutable,
  computed: Object.keys(computed({}, "")),
  references: { clusterName: inCluster(false) },
  ...more,
  async create(inputs, { account, settings }: Surroundings) {
    const id = immutable.map((property) => text(inputs[property])).join(":");
    if (account.get(token, id) !== undefined)
      throw new Error(`ResourceInUseException: ${token.split(":").at(-1)} ${id} exists already`);
    return { id, outputs: computed(inputs, settings["region"] ?? "") };
  },
});

export const clusterKinds: readonly Kind[] = [
  cluster,
  addon,
  simple(
    tokens.accessEntry,
    ["clusterName", "principalArn"],
    (inputs, region) => ({
      accessEntryArn: arn("eks", region, `access-entry/${text(inputs["clusterName"])}`),
      createdAt: new Date().toISOString(),
      modifiedAt: new Date().toISOString(),
    }),
    {
      check: (inputs) =>
        oneOf(inputs, "type", ["STANDARD", "EC2_LINUX", "EC2_WINDOWS", "FARGATE_LINUX", "EC2", "HYBRID_LINUX"]),
    },
  ),
  simple(tokens.accessPolicy, ["clusterName", "principalArn", "policyArn"], () => ({
    associatedAt: new Date().toISOString(),
    modifiedAt: new Date().toISOString(),
  })),
  simple(
    tokens.podIdentity,
    ["clusterName", "namespace", "serviceAccount"],
    (inputs, region) => ({
      associationArn: arn("eks", region, `podidentityassociation/${text(inputs["clusterName"])}`),
      associationId: newId("a-"),
    }),
    { references: { clusterName: inCluster(false), roleArn: byArn } },
  ),
];
