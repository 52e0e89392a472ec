// SPDX-License-Identifier: Apache-2.0
// The modes of an EKS cluster: who gives pods their addresses, and what nodes are born with.

import type { InputProblem } from "../input-errors.ts";
import { nearestName } from "../nearest-name.ts";

/** What a mode means for the cluster. */
export interface EksMode {
  /** AWS' VPC CNI is installed, and gives pods addresses of the VPC. */
  readonly vpcCni: boolean;
  /** Cilium gives pods addresses of the VPC, for which nodes need permissions. */
  readonly eni: boolean;
  /** Pods have a network of their own. */
  readonly overlay: boolean;
  /** Nodes are born with the taint that Cilium removes. */
  readonly notReadyTaint: boolean;
  /** Tag with the cluster's name that the network interfaces of pods carry. */
  readonly interfaceTag?: string;
}

const ciliumTag = "io.cilium/cluster-name";
const vpcCniTag = "cluster.k8s.amazonaws.com/name";

export const eksModes: Readonly<Record<string, EksMode>> = {
  eni: { vpcCni: false, eni: true, overlay: false, notReadyTaint: true, interfaceTag: ciliumTag },
  chaining: { vpcCni: true, eni: false, overlay: false, notReadyTaint: true, interfaceTag: vpcCniTag },
  overlay: { vpcCni: false, eni: false, overlay: true, notReadyTaint: true },
  agent: { vpcCni: true, eni: false, overlay: false, notReadyTaint: false, interfaceTag: vpcCniTag },
};

export function eksModeRule(mode: string): InputProblem[] {
  const names = Object.keys(eksModes);
  if (names.includes(mode)) return [];
  const near = mode === "eni-masquerading" ? "eni" : nearestName(mode, names);
  const remedy =
    mode === "eni-masquerading"
      ? 'write "eni" here and "eni-masquerading" at the Datapath.'
      : near === undefined
        ? "use one of these."
        : `did you mean "${near}"?`;
  return [
    {
      propertyPath: "mode",
      reason: `is "${mode}", and an EKS cluster has the modes ${names.map((name) => `"${name}"`).join(", ")}; ${remedy}`,
    },
  ];
}
