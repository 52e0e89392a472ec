// SPDX-License-Identifier: Apache-2.0
// Makes of an `eks.Cluster`'s inputs what version 4.3 of the official component makes: its AWS resources, and no node group.
import * as aws from "@pulumi/aws";
import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { record, text } from "../clouds/kind.ts";
import type { Dict } from "../values.ts";

export interface Constructed {
  readonly urn: pulumi.Output<pulumi.URN>;
  readonly state: pulumi.Inputs;
}

class Cluster extends pulumi.ComponentResource {
  constructor(name: string, options: pulumi.ComponentResourceOptions) {
    super("eks:index:Cluster", name, {}, options);
  }
}

const assumedBy = (service: string): string =>
  JSON.stringify({
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Principal: { Service: service }, Action: ["sts:AssumeRole", "sts:TagSession"] }],
  });

const kubeconfigOf = (
  cluster: aws.eks.Cluster,
  region: pulumi.Input<string>,
  credentials: Dict,
): pulumi.Output<object> =>
  pulumi
    .all([cluster.endpoint, cluster.certificateAuthority.data, cluster.name, region])
    .apply(([server, data, name, where]) => ({
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "kubernetes", cluster: { server, "certificate-authority-data": data } }],
      contexts: [{ name: "aws", context: { cluster: "kubernetes", user: "aws" } }],
      "current-context": "aws",
      users: [
        {
          name: "aws",
          user: {
            exec: {
              apiVersion: "client.authentication.k8s.io/v1beta1",
              command: "aws",
              args: [
                ...["--region", where, "eks", "get-token", "--cluster-name", name, "--output", "json"],
                ...(credentials["roleArn"] === undefined ? [] : ["--role-arn", text(credentials["roleArn"])]),
              ],
              env: Object.entries({ AWS_PROFILE: text(credentials["profileName"]) })
                .filter(([, value]) => value !== "")
                .map(([variable, value]) => ({ name: variable, value })),
            },
          },
        },
      ],
    }));

/** `known` are the inputs as far as they are known; `inputs` go on to the children as they are. */
export const makeCluster = (
  name: string,
  inputs: pulumi.Inputs,
  known: Dict,
  options: pulumi.ComponentResourceOptions,
): Constructed => {
  if (known["skipDefaultNodeGroup"] !== true) {
    throw new pulumi.InputPropertyError({
      propertyPath: "skipDefaultNodeGroup",
      reason: "the simulated eks makes no default node group: set it to true, or use the official plugin",
    });
  }
  const component = new Cluster(name, options);
  const parent = { parent: component };
  const role = new aws.iam.Role(`${name}-eksRole-role`, { assumeRolePolicy: assumedBy("eks.amazonaws.com") }, parent);
  const policy = new aws.iam.RolePolicyAttachment(
    `${name}-eksRole-4b490823`,
    { role: role.name, policyArn: aws.iam.ManagedPolicy.AmazonEKSClusterPolicy },
    parent,
  );
  const subnetIds = pulumi
    .all([inputs["privateSubnetIds"], inputs["publicSubnetIds"], inputs["subnetIds"]])
    .apply((lists) => lists.flatMap((list) => (list ?? []) as string[]));
  const skipGroups = known["skipDefaultSecurityGroups"] === true;
  const group = skipGroups
    ? undefined
    : new aws.ec2.SecurityGroup(
        `${name}-eksClusterSecurityGroup`,
        { vpcId: inputs["vpcId"], tags: inputs["tags"] },
        parent,
      );
  const cluster = new aws.eks.Cluster(
    `${name}-eksCluster`,
    {
      name: inputs["name"],
      roleArn: role.arn,
      version: inputs["version"],
      bootstrapSelfManagedAddons: inputs["bootstrapSelfManagedAddons"],
      deletionProtection: inputs["deletionProtection"],
      enabledClusterLogTypes: inputs["enabledClusterLogTypes"],
      upgradePolicy: inputs["upgradePolicy"],
      tags: pulumi.output(inputs["tags"]).apply((tags) => ({ Name: `${name}-eksCluster`, ...tags })),
      accessConfig: {
        authenticationMode: inputs["authenticationMode"] ?? "CONFIG_MAP",
        bootstrapClusterCreatorAdminPermissions: true,
      },
      kubernetesNetworkConfig: { serviceIpv4Cidr: inputs["kubernetesServiceIpAddressRange"] },
      vpcConfig: {
        subnetIds,
        securityGroupIds: group === undefined ? [] : [group.id],
        endpointPrivateAccess: inputs["endpointPrivateAccess"],
        endpointPublicAccess: inputs["endpointPublicAccess"],
        publicAccessCidrs: inputs["publicAccessCidrs"],
      },
      ...(inputs["encryptionConfigKeyArn"] === undefined
        ? {}
        : { encryptionConfig: { provider: { keyArn: inputs["encryptionConfigKeyArn"] }, resources: ["secrets"] } }),
    },
    // As the official component: a later change is no change to the cluster.
    { ...parent, dependsOn: [policy], ignoreChanges: ["bootstrapSelfManagedAddons"] },
  );
  addons(name, cluster, known, parent);
  const written = pulumi.output(inputs["accessEntries"] as Record<string, { principalArn: string }> | undefined);
  for (const [key, entry] of Object.entries(record(known["accessEntries"]))) {
    const principalArn = written.apply((entries) => entries?.[key]?.principalArn ?? "");
    accessEntry(name, key, record(entry), principalArn, cluster, parent);
  }
  const region = aws.getRegionOutput({}, parent).region;
  const kubeconfig = kubeconfigOf(cluster, region, record(known["providerCredentialOpts"]));
  const kubeconfigJson = kubeconfig.apply((config) => JSON.stringify(config));
  new kubernetes.Provider(`${name}-provider`, { kubeconfig: kubeconfigJson }, parent);
  const issuer = cluster.identities.apply((identities) => identities?.[0]?.oidcs?.[0]?.issuer ?? "");
  const oidc =
    known["createOidcProvider"] === true
      ? new aws.iam.OpenIdConnectProvider(
          `${name}-oidcProvider`,
          { clientIdLists: ["sts.amazonaws.com"], url: issuer },
          parent,
        )
      : undefined;
  const state = {
    core: { endpoint: cluster.endpoint, kubeconfig, subnetIds, vpcId: inputs["vpcId"] },
    kubeconfig,
    kubeconfigJson,
    clusterSecurityGroupId: cluster.vpcConfig.clusterSecurityGroupId,
    oidcIssuer: issuer.apply((url) => url.replace(/^https:\/\//, "")),
    oidcProviderUrl: issuer,
    ...(oidc === undefined ? {} : { oidcProviderArn: oidc.arn }),
  };
  return { urn: component.urn, state };
};

/** The three add-ons that the component makes when nobody tells it not to. */
const addons = (name: string, cluster: aws.eks.Cluster, known: Dict, parent: pulumi.CustomResourceOptions): void => {
  const automatic = record(known["autoMode"])["enabled"] === true;
  const make = (addonName: string, options: Dict): void => {
    new aws.eks.Addon(
      `${name}-${addonName}`,
      {
        clusterName: cluster.name,
        addonName,
        preserve: true,
        resolveConflictsOnCreate: text(options["resolveConflictsOnCreate"]) || "OVERWRITE",
      },
      parent,
    );
  };
  const wanted = (property: string): boolean => (record(known[property])["enabled"] ?? !automatic) === true;
  if (known["useDefaultVpcCni"] === undefined ? !automatic : known["useDefaultVpcCni"] !== true) {
    make("vpc-cni", record(known["vpcCniOptions"]));
  }
  if (wanted("kubeProxyAddonOptions")) make("kube-proxy", record(known["kubeProxyAddonOptions"]));
  if (record(known["corednsAddonOptions"])["enabled"] === true) make("coredns", record(known["corednsAddonOptions"]));
};

const accessEntry = (
  name: string,
  key: string,
  entry: Dict,
  principalArn: pulumi.Output<string>,
  cluster: aws.eks.Cluster,
  parent: pulumi.CustomResourceOptions,
): void => {
  const made = new aws.eks.AccessEntry(
    `${name}-${key}`,
    {
      clusterName: cluster.name,
      principalArn,
      ...(entry["type"] === undefined ? {} : { type: text(entry["type"]) }),
      ...(Array.isArray(entry["kubernetesGroups"]) ? { kubernetesGroups: entry["kubernetesGroups"].map(text) } : {}),
    },
    parent,
  );
  for (const [policy, written] of Object.entries(record(entry["accessPolicies"]))) {
    const { policyArn, accessScope } = record(written);
    const scope = record(accessScope);
    new aws.eks.AccessPolicyAssociation(
      `${name}-${key}-${policy}`,
      {
        clusterName: cluster.name,
        principalArn,
        policyArn: text(policyArn),
        accessScope: {
          type: text(scope["type"]),
          ...(Array.isArray(scope["namespaces"]) ? { namespaces: scope["namespaces"].map(text) } : {}),
        },
      },
      { ...parent, dependsOn: [made] },
    );
  }
};
