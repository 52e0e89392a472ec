// SPDX-License-Identifier: Apache-2.0
// The control plane of EKS: born without kube-proxy, without a CNI plugin, and without a node.

import { createHash } from "node:crypto";
import * as eks from "@pulumi/eks";
import * as pulumi from "@pulumi/pulumi";
import { knownNow } from "../input-errors.ts";
import type { EksAccessEntryArgs, EksClusterArgs } from "./args.ts";
import type { CheckedEksInputs } from "./inputs.ts";
import { accessPolicies } from "./rules.ts";
import type { ClusterVpc } from "./vpc.ts";

/** An entry as @pulumi/eks takes it; it is named by its place, for its principal may not be known yet. */
function accessEntry({ principalArn, policy, namespaces, kubernetesGroups }: EksAccessEntryArgs, partition: string) {
  return {
    principalArn,
    ...(kubernetesGroups === undefined ? {} : { kubernetesGroups }),
    ...(policy === undefined
      ? {}
      : {
          accessPolicies: {
            [policy]: {
              policyArn: `arn:${partition}:eks::aws:cluster-access-policy/${accessPolicies[policy]}`,
              accessScope: namespaces === undefined ? { type: "cluster" } : { type: "namespace", namespaces },
            },
          },
        }),
  };
}

const given = <K extends string, T>(key: K, value: T | undefined): { [P in K]?: T } =>
  (value === undefined ? {} : { [key]: value }) as { [P in K]?: T };

/** Makes the control plane. */
export function controlPlane(
  name: string,
  args: EksClusterArgs,
  inputs: CheckedEksInputs,
  vpc: ClusterVpc,
  parent: pulumi.Resource,
): eks.Cluster {
  const entries = (args.accessEntries ?? []).map(
    (entry, index) => [`entry-${index + 1}`, accessEntry(entry, inputs.partition)] as const,
  );
  const credentials = { ...given("profileName", args.awsProfile), ...given("roleArn", args.awsRoleArn) };
  return new eks.Cluster(
    `${name}-cluster`,
    {
      name: inputs.clusterName,
      version: inputs.kubernetesVersion,
      vpcId: vpc.vpcId,
      privateSubnetIds: vpc.privateSubnetIds,
      ...(knownNow(vpc.publicSubnetIds)?.length === 0 ? {} : { publicSubnetIds: vpc.publicSubnetIds }),
      // Together these four keep every add-on away; `useDefaultVpcCni: true` means that the component adds no vpc-cni.
      bootstrapSelfManagedAddons: false,
      useDefaultVpcCni: true,
      kubeProxyAddonOptions: { enabled: false },
      corednsAddonOptions: { enabled: false },
      skipDefaultNodeGroup: true,
      // The security group that EKS makes is enough, and it goes with the cluster.
      skipDefaultSecurityGroups: true,
      createInstanceRole: false,
      authenticationMode: eks.AuthenticationMode.Api,
      ...(entries.length === 0 ? {} : { accessEntries: Object.fromEntries(entries) }),
      createOidcProvider: args.createOidcProvider ?? false,
      endpointPrivateAccess: args.endpointPrivateAccess ?? true,
      endpointPublicAccess: args.endpointPublicAccess ?? true,
      ...given("publicAccessCidrs", args.publicAccessCidrs),
      kubernetesServiceIpAddressRange: inputs.serviceCidr,
      deletionProtection: args.deletionProtection ?? false,
      ...given("encryptionConfigKeyArn", args.encryptionKeyArn),
      ...given("enabledClusterLogTypes", args.logTypes),
      ...(args.supportType === undefined ? {} : { upgradePolicy: { supportType: args.supportType } }),
      ...(Object.keys(credentials).length === 0 ? {} : { providerCredentialOpts: credentials }),
      ...given("tags", args.tags),
    },
    { parent, dependsOn: vpc.foundations },
  );
}

/** The API server's host, in `https://HOST`; EKS serves it on port 443 always. */
export function apiServerHost(cluster: eks.Cluster): pulumi.Output<string> {
  return cluster.core.apply(({ endpoint }) =>
    pulumi.output(endpoint).apply((url) => url.replace(/^https:\/\//, "").replace(/(:443)?\/?$/, "")),
  );
}

/** Another one for each cluster that is made, of its certificate authority, which AWS makes once and never changes. */
export function clusterIdentifier(clusterName: string, cluster: eks.Cluster): pulumi.Output<string> {
  return pulumi.unsecret(cluster.kubeconfigJson).apply((json) => {
    const { clusters } = JSON.parse(json) as { clusters: [{ cluster: { "certificate-authority-data": string } }] };
    const digest = createHash("sha256").update(clusters[0].cluster["certificate-authority-data"]).digest("hex");
    return `${clusterName}-${digest.slice(0, 16)}`;
  });
}
