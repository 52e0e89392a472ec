// SPDX-License-Identifier: Apache-2.0
// Applies the rules of GkeCluster to its inputs, and gives them with their defaults.

import { defaultMinorVersion, minorVersionRule } from "../cloud/minor-version.ts";
import { allowedNetworksRule, disjointRule, networkRule } from "../cloud/network-rules.ts";
import { type InputProblem, refuseProblems } from "../input-errors.ts";
import { unknownInputs } from "../unknown-inputs.ts";
import { type GkeClusterArgs, gkeClusterInputs } from "./args.ts";
import * as rules from "./rules.ts";

/** The inputs with their defaults. */
export interface CheckedGkeInputs {
  readonly clusterName: string;
  readonly selfManaged: boolean;
  readonly kubernetesVersion: string;
  readonly nodeCidr: string;
  readonly podCidr: string;
  readonly serviceCidr: string;
  readonly privateNodes: boolean;
}

const whenGiven = <T>(value: T | undefined, rule: (value: T) => InputProblem[]): InputProblem[] =>
  value === undefined ? [] : rule(value);

function networkProblems(own: boolean, { nodeCidr, podCidr, serviceCidr }: CheckedGkeInputs): InputProblem[] {
  const malformed = [
    ...(own ? networkRule("nodeCidr", nodeCidr, 28, 8, "10.30.0.0/20") : []),
    ...networkRule("podCidr", podCidr, 21, 9, "10.32.0.0/14"),
    ...networkRule("serviceCidr", serviceCidr, 27, 16, "10.36.0.0/20"),
  ];
  if (malformed.length > 0) return malformed;
  return disjointRule([
    ...(own ? ([["nodeCidr", nodeCidr]] as const) : []),
    ["podCidr", podCidr],
    ["serviceCidr", serviceCidr],
  ]);
}

/** Throws one error for all wrong inputs. */
export function checkGkeInputs(what: string, name: string, args: GkeClusterArgs): CheckedGkeInputs {
  const mode = args.mode ?? "dataplane-v2";
  const inputs: CheckedGkeInputs = {
    clusterName: args.clusterName ?? name,
    selfManaged: mode === "self-managed",
    kubernetesVersion: args.kubernetesVersion ?? defaultMinorVersion,
    nodeCidr: args.nodeCidr ?? "10.30.0.0/20",
    podCidr: args.podCidr ?? "10.32.0.0/14",
    serviceCidr: args.serviceCidr ?? "10.36.0.0/20",
    privateNodes: args.privateNodes ?? true,
  };
  const existing = rules.existingNetworkRule(args);
  refuseProblems(what, [
    ...unknownInputs(args, gkeClusterInputs, rules.impossibleOnGke),
    ...rules.gkeModeRule(mode),
    ...rules.gkeNameRule(inputs.clusterName),
    ...rules.locationRule(args.location),
    ...whenGiven(args.project, rules.projectRule),
    ...minorVersionRule("kubernetesVersion", inputs.kubernetesVersion, "GKE"),
    ...rules.channelRule(args.releaseChannel ?? "REGULAR"),
    ...existing,
    ...(existing.length > 0 ? [] : networkProblems(args.network === undefined, inputs)),
    ...rules.privateEndpointRule(args),
    ...whenGiven(args.authorizedNetworks, (texts) => allowedNetworksRule("authorizedNetworks", texts)),
    ...whenGiven(args.nodeInitImage, (image) => rules.nodeInitImageRule(mode, image)),
    ...whenGiven(args.labels, rules.resourceLabelsRule),
  ]);
  return inputs;
}
