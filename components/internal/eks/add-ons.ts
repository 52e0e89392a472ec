// SPDX-License-Identifier: Apache-2.0
// The add-ons of an EKS cluster, each made when what it needs is there; kube-proxy is never among them.

import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";

/** One add-on. */
export interface AddOn {
  readonly addonName: "vpc-cni" | "eks-pod-identity-agent" | "coredns";
  readonly clusterName: pulumi.Input<string>;
  readonly addonVersion?: pulumi.Input<string> | undefined;
  /** JSON. */
  readonly configurationValues?: pulumi.Input<string>;
  readonly tags: { [key: string]: pulumi.Input<string> };
}

/** Installs the add-on; it goes with its cluster, and nothing of it is preserved. */
export function addOn(
  name: string,
  { addonName, clusterName, addonVersion, configurationValues, tags }: AddOn,
  opts: pulumi.CustomResourceOptions,
): aws.eks.Addon {
  return new aws.eks.Addon(
    `${name}-${addonName}`,
    {
      clusterName,
      addonName,
      ...(addonVersion === undefined ? {} : { addonVersion }),
      ...(configurationValues === undefined ? {} : { configurationValues }),
      resolveConflictsOnCreate: "OVERWRITE",
      resolveConflictsOnUpdate: "OVERWRITE",
      preserve: false,
      tags,
    },
    opts,
  );
}
