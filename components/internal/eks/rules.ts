// SPDX-License-Identifier: Apache-2.0
// The rules for the inputs of EksCluster: each one a function that names the property, the value and the remedy.

import type * as pulumi from "@pulumi/pulumi";
import { type InputProblem, knownNow } from "../input-errors.ts";
import { nearestName } from "../nearest-name.ts";
import type { EksAccessEntryArgs, EksClusterArgs, EksPodIdentityArgs } from "./args.ts";

const problem = (propertyPath: string, reason: string): InputProblem[] => [{ propertyPath, reason }];

/** Inputs that a user of EKS may look for, and why they are not here. */
export const impossibleOnEks: Readonly<Record<string, string>> = {
  autoMode:
    "is not possible: EKS Auto Mode runs its nodes with a datapath of its own and admits no other; leave it out.",
  fargate: "is not possible: Fargate admits no datapath but AWS' own; leave it out, and use node groups.",
  ipFamily: "is not possible yet: Services and pods of this cluster have IPv4 addresses; leave it out.",
  kubeProxyAddonOptions: "is not possible: this cluster is born without kube-proxy and stays so; leave it out.",
  nodeGroups: "is not here: nodes join after the datapath is installed; give them to EksNodeGroups as groups.",
};

export function eksNameRule(name: string): InputProblem[] {
  if (/^[0-9A-Za-z][0-9A-Za-z_-]{0,99}$/.test(name)) return [];
  return problem(
    "clusterName",
    `is "${name}", which cannot name a cluster of EKS; use at most 100 letters, digits, dashes and underscores, a letter or digit first.`,
  );
}

export function partitionRule(partition: string): InputProblem[] {
  if (["aws", "aws-cn", "aws-us-gov"].includes(partition)) return [];
  return problem("awsPartition", `is "${partition}"; use "aws", "aws-cn" or "aws-us-gov".`);
}

/** Either everything about an existing VPC is given, or nothing. */
export function existingVpcRule(args: EksClusterArgs): InputProblem[] {
  const existing = args.vpcId !== undefined;
  if (!existing) {
    const stray = (["privateSubnetIds", "publicSubnetIds"] as const).find((key) => args[key] !== undefined);
    return stray === undefined
      ? []
      : problem(stray, "is given without vpcId, so it is not clear in which VPC; give vpcId, or leave it out.");
  }
  if (args.privateSubnetIds === undefined) {
    return problem("privateSubnetIds", "is missing beside vpcId; name the VPC's subnets for the nodes, two at least.");
  }
  if (args.vpcCidr === undefined) {
    return problem("vpcCidr", 'is missing beside vpcId; write the VPC\'s network, such as "10.20.0.0/16".');
  }
  const own = (["availabilityZones", "natGatewayPerZone"] as const).find((key) => args[key] !== undefined);
  if (own === undefined) return [];
  return problem(own, "is for a VPC of the cluster's own, and vpcId names one that exists; leave one of the two out.");
}

export function vpcIdRule(vpcId: string): InputProblem[] {
  if (/^vpc-[0-9a-f]{8,17}$/.test(vpcId)) return [];
  return problem("vpcId", `is "${vpcId}", which is not the id of a VPC; write one such as "vpc-0123456789abcdef0".`);
}

type SubnetIds = readonly (string | undefined)[];

/** The ids of a list that is known while the program runs, each where it is known itself. */
export const idsNow = (ids: pulumi.Input<pulumi.Input<string>[]> | undefined): SubnetIds | undefined =>
  knownNow(ids)?.map(knownNow);

export const privateSubnetIdsRule = (ids: SubnetIds): InputProblem[] => subnetIdsRule("privateSubnetIds", ids, 2);
export const publicSubnetIdsRule = (ids: SubnetIds): InputProblem[] => subnetIdsRule("publicSubnetIds", ids, 0);

function subnetIdsRule(property: string, ids: SubnetIds, least: number): InputProblem[] {
  if (ids.length < least) {
    return problem(property, `has ${ids.length} subnets, and EKS needs ${least} in different zones; add one.`);
  }
  return ids.flatMap((id, index) => {
    if (id === undefined) return [];
    const path = `${property}[${index}]`;
    if (!/^subnet-[0-9a-f]{8,17}$/.test(id)) {
      return problem(
        path,
        `is "${id}", which is not the id of a subnet; write one such as "subnet-0123456789abcdef0".`,
      );
    }
    const first = ids.indexOf(id);
    return first === index ? [] : problem(path, `is "${id}", as ${property}[${first}] is; name every subnet once.`);
  });
}

export function subnetsApartRule(args: EksClusterArgs): InputProblem[] {
  const privateIds = idsNow(args.privateSubnetIds) ?? [];
  return (idsNow(args.publicSubnetIds) ?? []).flatMap((id, index) => {
    if (id === undefined || !privateIds.includes(id)) return [];
    return problem(
      `publicSubnetIds[${index}]`,
      `is "${id}", which is in privateSubnetIds too; a subnet is one or the other: leave it out of one list.`,
    );
  });
}

export function zonesRule(zones: readonly string[]): InputProblem[] {
  if (zones.length < 2 || zones.length > 4) {
    return problem("availabilityZones", `has ${zones.length} zones; EKS needs two, and more than four bring nothing.`);
  }
  return zones.flatMap((zone, index) => {
    const path = `availabilityZones[${index}]`;
    if (!/^[a-z]{2}(-[a-z]+)+-\d[a-z]$/.test(zone)) {
      return problem(path, `is "${zone}", which is not an availability zone; write one such as "eu-central-1a".`);
    }
    if (zones.indexOf(zone) !== index) return problem(path, `is "${zone}" for the second time; name every zone once.`);
    if (zone.slice(0, -1) === zones[0]?.slice(0, -1)) return [];
    return problem(
      path,
      `is "${zone}", in another region than "${zones[0]}"; a VPC is in one region: choose its zones.`,
    );
  });
}

export function podCidrModeRule(mode: string): InputProblem[] {
  if (mode === "overlay") return [];
  return problem(
    "podCidr",
    `is given in mode "${mode}", where pods have addresses of the VPC; leave it out, or choose mode "overlay".`,
  );
}

/** Whether a version, as three numbers, is older than another. */
const isOlder = (version: readonly number[], than: readonly number[]): boolean => {
  const differing = than.findIndex((number, index) => version[index] !== number);
  return differing !== -1 && Number(version[differing]) < Number(than[differing]);
};

/** `version` is undefined while it is not known. */
export function vpcCniVersionRule(mode: string, version: string | undefined): InputProblem[] {
  const path = "vpcCniVersion";
  if (mode !== "chaining" && mode !== "agent") {
    return problem(
      path,
      `is given in mode "${mode}", where AWS' VPC CNI is not installed; leave it out, or choose "chaining" or "agent".`,
    );
  }
  if (version === undefined) return [];
  const numbers = /^v?(\d+)\.(\d+)\.(\d+)(-|$)/.exec(version)?.slice(1, 4).map(Number);
  if (numbers === undefined) {
    return problem(path, `is "${version}", which is not a version of the add-on; write one as "v1.20.4-eksbuild.2".`);
  }
  if (mode !== "chaining" || !isOlder(numbers, [1, 11, 2])) return [];
  return problem(path, `is "${version}", and Cilium runs behind AWS' VPC CNI from v1.11.2 on; choose a newer one.`);
}

export function endpointRule(args: EksClusterArgs): InputProblem[] {
  const [open, inside] = [args.endpointPublicAccess ?? true, args.endpointPrivateAccess ?? true];
  if (!open && !inside) {
    return problem("endpointPrivateAccess", "is false as endpointPublicAccess is; set one of the two to true.");
  }
  if (args.publicAccessCidrs === undefined) return [];
  if (!open) {
    return problem(
      "publicAccessCidrs",
      "is given while endpointPublicAccess is false; leave it out, or open the endpoint.",
    );
  }
  if (args.publicAccessCidrs.length === 0) {
    return problem("publicAccessCidrs", "is empty, which AWS takes for everywhere; name networks, or leave it out.");
  }
  if (inside || args.publicAccessCidrs.includes("0.0.0.0/0")) return [];
  return problem(
    "publicAccessCidrs",
    "limits the only endpoint there is, so nodes may not reach it and never join; set endpointPrivateAccess to true.",
  );
}

export const accessPolicies: Readonly<Record<string, string>> = {
  "cluster-admin": "AmazonEKSClusterAdminPolicy",
  admin: "AmazonEKSAdminPolicy",
  "admin-view": "AmazonEKSAdminViewPolicy",
  edit: "AmazonEKSEditPolicy",
  view: "AmazonEKSViewPolicy",
};

const roleOrUser = /^arn:aws[a-z-]*:iam::\d{12}:(role|user)\/\S+$/;
const role = /^arn:aws[a-z-]*:iam::\d{12}:role\/\S+$/;

export function accessEntryRule(path: string, entry: EksAccessEntryArgs, before: readonly unknown[]): InputProblem[] {
  const principal = knownNow(entry.principalArn);
  if (principal !== undefined && !roleOrUser.test(principal)) {
    return problem(
      `${path}.principalArn`,
      `is "${principal}", which is neither a role nor a user of IAM; write its ARN, such as "arn:aws:iam::111122223333:role/admin".`,
    );
  }
  if (principal !== undefined && before.includes(principal)) {
    return problem(`${path}.principalArn`, `is "${principal}" for the second time; give everybody one entry.`);
  }
  const { policy, namespaces, kubernetesGroups } = entry;
  if (policy !== undefined && accessPolicies[policy] === undefined) {
    const near = nearestName(policy, Object.keys(accessPolicies));
    return problem(
      `${path}.policy`,
      `is "${policy}", and the policies are ${Object.keys(accessPolicies).join(", ")}; ${near === undefined ? "use one of these." : `did you mean "${near}"?`}`,
    );
  }
  if (policy === "cluster-admin" && namespaces !== undefined) {
    return problem(`${path}.namespaces`, 'limits "cluster-admin", which is for the whole cluster; use policy "admin".');
  }
  if (policy === undefined && namespaces !== undefined) {
    return problem(`${path}.namespaces`, "limits a policy, and none is given; give policy, or leave it out.");
  }
  if (policy === undefined && (kubernetesGroups ?? []).length === 0) {
    return problem(path, "allows nothing; give policy or kubernetesGroups, or leave the entry out.");
  }
  const reserved = (kubernetesGroups ?? []).findIndex((group) => group.startsWith("system:"));
  if (reserved === -1) return [];
  return problem(
    `${path}.kubernetesGroups[${reserved}]`,
    `is "${kubernetesGroups?.[reserved]}", and EKS refuses groups that begin with "system:"; use policy "cluster-admin", or a group of your own.`,
  );
}

export function podIdentityRule(
  path: string,
  { namespace, serviceAccount, roleArn }: EksPodIdentityArgs,
  before: readonly string[],
): InputProblem[] {
  const account = `${namespace}/${serviceAccount}`;
  if (!/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(namespace)) {
    return problem(`${path}.namespace`, `is "${namespace}", which is not a namespace; write one such as "default".`);
  }
  if (account === "kube-system/cilium-operator" || account === "kube-system/aws-node") {
    return problem(
      path,
      `is for "${account}", which gives nodes their addresses and so runs before the agent that hands identities out; its permissions are the nodes' role's: leave it out.`,
    );
  }
  if (before.includes(account)) {
    return problem(path, `is for "${account}" for the second time; a ServiceAccount has one role.`);
  }
  const arn = knownNow(roleArn);
  if (arn === undefined || role.test(arn)) return [];
  return problem(
    `${path}.roleArn`,
    `is "${arn}", which is not a role of IAM; write its ARN, such as "arn:aws:iam::111122223333:role/app".`,
  );
}

const logs = ["api", "audit", "authenticator", "controllerManager", "scheduler"];

export function logTypesRule(types: readonly string[]): InputProblem[] {
  return types.flatMap((type, index) => {
    if (logs.includes(type)) return [];
    const near = nearestName(type, logs);
    return problem(
      `logTypes[${index}]`,
      `is "${type}", and the logs are ${logs.join(", ")}; ${near === undefined ? "use one of these." : `did you mean "${near}"?`}`,
    );
  });
}

export function supportTypeRule(type: string): InputProblem[] {
  if (type === "STANDARD" || type === "EXTENDED") return [];
  return problem("supportType", `is "${type}"; use "STANDARD" or "EXTENDED".`);
}

export function keyArnRule(arn: string): InputProblem[] {
  if (/^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key\/\S+$/.test(arn)) return [];
  return problem(
    "encryptionKeyArn",
    `is "${arn}", which is not the ARN of a key; an alias will not do: write "arn:aws:kms:REGION:ACCOUNT:key/ID".`,
  );
}

export function tagsRule(tags: Readonly<Record<string, unknown>>): InputProblem[] {
  return Object.keys(tags).flatMap((key) =>
    key.toLowerCase().startsWith("aws:")
      ? problem(`tags["${key}"]`, 'begins with "aws:", which AWS keeps for itself; choose another key.')
      : [],
  );
}
