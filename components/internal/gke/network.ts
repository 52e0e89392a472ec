// SPDX-License-Identifier: Apache-2.0
// A VPC network of the cluster's own: one subnetwork with ranges for pods and Services, and a NAT for private nodes.

import * as gcp from "@pulumi/gcp";
import type * as pulumi from "@pulumi/pulumi";
import type { GkeClusterArgs } from "./args.ts";
import type { CheckedGkeInputs } from "./inputs.ts";

/** A network as the cluster uses it. */
export interface ClusterNetwork {
  readonly network: pulumi.Input<string>;
  readonly subnetwork: pulumi.Input<string>;
  readonly podRangeName: pulumi.Input<string>;
  readonly serviceRangeName: pulumi.Input<string>;
  /** What has to be there while nodes are. */
  readonly foundations: pulumi.Resource[];
}

/** The region of a region or a zone. */
const regionOf = (location: string): string => location.split("-").slice(0, 2).join("-");

/** Makes the network. */
export function ownNetwork(
  name: string,
  args: GkeClusterArgs,
  inputs: CheckedGkeInputs,
  parent: pulumi.Resource,
): ClusterNetwork {
  const region = regionOf(args.location);
  const common = { ...(args.project === undefined ? {} : { project: args.project }) };
  const { clusterName } = inputs;
  const network = new gcp.compute.Network(
    `${name}-network`,
    { ...common, name: clusterName, autoCreateSubnetworks: false },
    { parent },
  );
  const subnetwork = new gcp.compute.Subnetwork(
    `${name}-subnetwork`,
    {
      ...common,
      name: clusterName,
      network: network.id,
      region,
      ipCidrRange: inputs.nodeCidr,
      privateIpGoogleAccess: true,
      secondaryIpRanges: [
        { rangeName: "pods", ipCidrRange: inputs.podCidr },
        { rangeName: "services", ipCidrRange: inputs.serviceCidr },
      ],
    },
    { parent },
  );
  const ranges = { podRangeName: "pods", serviceRangeName: "services" };
  if (!inputs.privateNodes) return { network: network.id, subnetwork: subnetwork.id, ...ranges, foundations: [] };
  const router = new gcp.compute.Router(
    `${name}-router`,
    { ...common, name: clusterName, network: network.id, region },
    { parent },
  );
  const nat = new gcp.compute.RouterNat(
    `${name}-nat`,
    {
      ...common,
      name: clusterName,
      router: router.name,
      region,
      natIpAllocateOption: "AUTO_ONLY",
      sourceSubnetworkIpRangesToNat: "ALL_SUBNETWORKS_ALL_IP_RANGES",
    },
    { parent },
  );
  return { network: network.id, subnetwork: subnetwork.id, ...ranges, foundations: [nat] };
}
