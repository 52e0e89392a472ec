// SPDX-License-Identifier: Apache-2.0
// Applies the rules of EksCluster to its inputs, and gives them with their defaults.

import type * as pulumi from "@pulumi/pulumi";
import { defaultMinorVersion, minorVersionRule } from "../cloud/minor-version.ts";
import { allowedNetworksRule, disjointRule, networkRule } from "../cloud/network-rules.ts";
import { checkedInput, type InputProblem, knownNow, refuseProblems } from "../input-errors.ts";
import { unknownInputs } from "../unknown-inputs.ts";
import { type EksClusterArgs, eksClusterInputs } from "./args.ts";
import { type EksMode, eksModeRule, eksModes } from "./modes.ts";
import * as rules from "./rules.ts";

/** The inputs with their defaults. */
export interface CheckedEksInputs {
  readonly clusterName: string;
  readonly modeName: string;
  readonly mode: EksMode;
  readonly kubernetesVersion: string;
  readonly vpcCidr: string;
  readonly podCidr: string;
  readonly serviceCidr: string;
  readonly partition: string;
  /** Those of an existing VPC. */
  readonly privateSubnetIds: SubnetIds;
  readonly publicSubnetIds: SubnetIds;
}

type SubnetIds = pulumi.Input<pulumi.Input<string>[]>;

const whenGiven = <T>(value: T | undefined, rule: (value: T) => InputProblem[]): InputProblem[] =>
  value === undefined ? [] : rule(value);

function networkProblems(args: EksClusterArgs, inputs: CheckedEksInputs): InputProblem[] {
  const { vpcCidr, podCidr, serviceCidr } = inputs;
  const malformed = [
    // A VPC of its own is cut into four subnets for each zone's kind.
    ...networkRule("vpcCidr", vpcCidr, args.vpcId === undefined ? 22 : 28, 16, "10.20.0.0/16"),
    ...networkRule("serviceCidr", serviceCidr, 24, 12, "172.20.0.0/16"),
    ...(args.podCidr === undefined ? [] : networkRule("podCidr", podCidr, 20, 8, "100.64.0.0/16")),
  ];
  if (malformed.length > 0) return malformed;
  return disjointRule([
    ["vpcCidr", vpcCidr],
    ["serviceCidr", serviceCidr],
    ...(inputs.mode.overlay ? ([["podCidr", podCidr]] as const) : []),
  ]);
}

function accessProblems(args: EksClusterArgs): InputProblem[] {
  const entries = args.accessEntries ?? [];
  const principals = entries.map(({ principalArn }) => knownNow(principalArn));
  const identities = args.podIdentities ?? [];
  const accounts = identities.map(({ namespace, serviceAccount }) => `${namespace}/${serviceAccount}`);
  return [
    ...entries.flatMap((entry, index) =>
      rules.accessEntryRule(`accessEntries[${index}]`, entry, principals.slice(0, index)),
    ),
    ...identities.flatMap((identity, index) =>
      rules.podIdentityRule(`podIdentities[${index}]`, identity, accounts.slice(0, index)),
    ),
    ...rules.endpointRule(args),
    ...whenGiven(args.publicAccessCidrs, (texts) => allowedNetworksRule("publicAccessCidrs", texts)),
  ];
}

function vpcProblems(args: EksClusterArgs): InputProblem[] {
  return [
    ...rules.existingVpcRule(args),
    ...whenGiven(knownNow(args.vpcId), rules.vpcIdRule),
    ...whenGiven(rules.idsNow(args.privateSubnetIds), rules.privateSubnetIdsRule),
    ...whenGiven(rules.idsNow(args.publicSubnetIds), rules.publicSubnetIdsRule),
    ...rules.subnetsApartRule(args),
    ...whenGiven(args.availabilityZones, rules.zonesRule),
  ];
}

/** A list that is one output is judged when it is known. */
function checkedLater(ids: SubnetIds | undefined, what: string, rule: typeof rules.privateSubnetIdsRule): SubnetIds {
  return ids === undefined || knownNow(ids) !== undefined
    ? (ids ?? [])
    : checkedInput(ids as pulumi.Input<string[]>, what, rule);
}

/** Throws one error for all wrong inputs that can be seen now. */
export function checkEksInputs(what: string, name: string, args: EksClusterArgs): CheckedEksInputs {
  const modeName = args.mode ?? "eni";
  refuseProblems(what, [...unknownInputs(args, eksClusterInputs, rules.impossibleOnEks), ...eksModeRule(modeName)]);
  const mode = eksModes[modeName] as EksMode;
  const vpcCidr = args.vpcCidr ?? "10.20.0.0/16";
  const inputs: CheckedEksInputs = {
    clusterName: args.clusterName ?? name,
    modeName,
    mode,
    kubernetesVersion: args.kubernetesVersion ?? defaultMinorVersion,
    vpcCidr,
    podCidr: mode.overlay ? (args.podCidr ?? "100.64.0.0/16") : vpcCidr,
    serviceCidr: args.serviceCidr ?? "172.20.0.0/16",
    partition: args.awsPartition ?? "aws",
    privateSubnetIds: checkedLater(args.privateSubnetIds, what, rules.privateSubnetIdsRule),
    publicSubnetIds: checkedLater(args.publicSubnetIds, what, rules.publicSubnetIdsRule),
  };
  refuseProblems(what, [
    ...rules.eksNameRule(inputs.clusterName),
    ...minorVersionRule("kubernetesVersion", inputs.kubernetesVersion, "EKS"),
    ...vpcProblems(args),
    ...(args.podCidr === undefined ? [] : rules.podCidrModeRule(modeName)),
    ...networkProblems({ ...args, ...(mode.overlay ? {} : { podCidr: undefined }) } as EksClusterArgs, inputs),
    ...(args.vpcCniVersion === undefined ? [] : rules.vpcCniVersionRule(modeName, knownNow(args.vpcCniVersion))),
    ...accessProblems(args),
    ...whenGiven(args.logTypes, rules.logTypesRule),
    ...whenGiven(args.supportType, rules.supportTypeRule),
    ...whenGiven(knownNow(args.encryptionKeyArn), rules.keyArnRule),
    ...rules.partitionRule(inputs.partition),
    ...whenGiven(args.tags, rules.tagsRule),
  ]);
  return inputs;
}
