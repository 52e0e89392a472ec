// SPDX-License-Identifier: Apache-2.0
// A VPC of the cluster's own: private subnets for nodes, public ones for load balancers and the way out.

import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { parseCidr } from "../cidr.ts";
import type { EksMode } from "./modes.ts";
import { releaseNetworkInterfaces } from "./network-interfaces.ts";

/** A VPC as the cluster uses it. */
export interface ClusterVpc {
  readonly vpcId: pulumi.Input<string>;
  readonly privateSubnetIds: pulumi.Input<pulumi.Input<string>[]>;
  readonly publicSubnetIds: pulumi.Input<pulumi.Input<string>[]>;
  /** What has to be there while anything in the VPC is: routes, and whatever cleans up after the nodes. */
  readonly foundations: pulumi.Resource[];
}

/** What a VPC of the cluster's own is made of. */
export interface OwnVpc {
  readonly cidr: string;
  readonly zones: readonly string[] | undefined;
  readonly natGatewayPerZone: boolean;
  readonly tags: { [key: string]: pulumi.Input<string> };
  readonly profile: pulumi.Input<string> | undefined;
}

const zonesByDefault = 2;

/** The network cut into eight of one size: four for private subnets, then four for public ones. */
function subnetCidrs(cidr: string): string[] {
  const network = parseCidr(cidr);
  if (network === undefined) throw new Error(`The rules let the network "${cidr}" pass, which is not one.`);
  const prefixLength = network.prefixLength + 3;
  const size = 1n << BigInt(32 - prefixLength);
  const dotted = (value: bigint): string => [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join(".");
  return Array.from({ length: 8 }, (_, index) => `${dotted(network.base + BigInt(index) * size)}/${prefixLength}`);
}

/** Makes the VPC. */
export function ownVpc(
  name: string,
  { cidr, zones, natGatewayPerZone, tags, profile }: OwnVpc,
  parent: pulumi.Resource,
): ClusterVpc {
  const opts = { parent };
  const named = (suffix: string) => ({ ...tags, Name: `${name}-${suffix}` });
  const vpc = new aws.ec2.Vpc(
    `${name}-vpc`,
    { cidrBlock: cidr, enableDnsHostnames: true, enableDnsSupport: true, tags: named("vpc") },
    opts,
  );
  const found =
    zones === undefined
      ? aws.getAvailabilityZonesOutput({ state: "available" }, opts).names
      : pulumi.output([...zones]);
  const zoneAt = (index: number) => found.apply((names) => names[index] ?? names[0] ?? "");
  const count = zones?.length ?? zonesByDefault;
  const cidrs = subnetCidrs(cidr);
  const indices = Array.from({ length: count }, (_, index) => index);
  const subnet = (kind: "private" | "public", index: number): aws.ec2.Subnet =>
    new aws.ec2.Subnet(
      `${name}-${kind}-${index + 1}`,
      {
        vpcId: vpc.id,
        cidrBlock: cidrs[index + (kind === "private" ? 0 : 4)] ?? "",
        availabilityZone: zoneAt(index),
        mapPublicIpOnLaunch: kind === "public",
        tags: {
          ...named(`${kind}-${index + 1}`),
          [kind === "private" ? "kubernetes.io/role/internal-elb" : "kubernetes.io/role/elb"]: "1",
        },
      },
      opts,
    );
  const publicSubnets = indices.map((index) => subnet("public", index));
  const privateSubnets = indices.map((index) => subnet("private", index));

  const gateway = new aws.ec2.InternetGateway(`${name}-internet`, { vpcId: vpc.id, tags: named("internet") }, opts);
  const outside = "0.0.0.0/0";
  const publicRoutes = new aws.ec2.RouteTable(
    `${name}-public-routes`,
    { vpcId: vpc.id, routes: [{ cidrBlock: outside, gatewayId: gateway.id }], tags: named("public") },
    opts,
  );
  const join = (kind: string, index: number, subnetId: pulumi.Input<string>, routeTableId: pulumi.Input<string>) =>
    new aws.ec2.RouteTableAssociation(`${name}-${kind}-${index + 1}-route`, { subnetId, routeTableId }, opts);
  const publicWays = publicSubnets.map((to, index) => join("public", index, to.id, publicRoutes.id));

  const nats = publicSubnets.slice(0, natGatewayPerZone ? count : 1).map((to, index) => {
    const address = new aws.ec2.Eip(
      `${name}-nat-${index + 1}-address`,
      { domain: "vpc", tags: named(`nat-${index + 1}`) },
      opts,
    );
    return new aws.ec2.NatGateway(
      `${name}-nat-${index + 1}`,
      { subnetId: to.id, allocationId: address.id, tags: named(`nat-${index + 1}`) },
      { ...opts, dependsOn: publicWays },
    );
  });
  const tables = nats.map(
    (nat, index) =>
      new aws.ec2.RouteTable(
        `${name}-private-routes-${index + 1}`,
        { vpcId: vpc.id, routes: [{ cidrBlock: outside, natGatewayId: nat.id }], tags: named(`private-${index + 1}`) },
        opts,
      ),
  );
  const privateWays = privateSubnets.map((from, index) =>
    join("private", index, from.id, (tables[index] ?? (tables[0] as aws.ec2.RouteTable)).id),
  );
  // arn:aws:ec2:REGION:ACCOUNT:vpc/ID
  const region = vpc.arn.apply((arn) => arn.split(":")[3] ?? "");
  const leftovers = releaseNetworkInterfaces(
    name,
    { vpcId: vpc.id, region, profile },
    { parent, dependsOn: [...privateSubnets, ...publicSubnets] },
  );
  return {
    vpcId: vpc.id,
    privateSubnetIds: privateSubnets.map(({ id }) => id),
    publicSubnetIds: publicSubnets.map(({ id }) => id),
    foundations: [...publicWays, ...privateWays, leftovers],
  };
}

/** What is known of a VPC that exists. */
export interface ExistingVpc extends Omit<ClusterVpc, "foundations"> {
  readonly clusterName: string;
  readonly mode: EksMode;
  readonly profile: pulumi.Input<string> | undefined;
}

/** The VPC as it is; of what the nodes leave in it, only what carries the cluster's name is deleted. */
export function existingVpc(
  name: string,
  { vpcId, privateSubnetIds, publicSubnetIds, clusterName, mode, profile }: ExistingVpc,
  parent: pulumi.Resource,
): ClusterVpc {
  const key = mode.interfaceTag;
  const leftovers =
    key === undefined
      ? []
      : [
          releaseNetworkInterfaces(
            name,
            { vpcId, region: aws.getRegionOutput({}, { parent }).region, tag: { key, value: clusterName }, profile },
            { parent },
          ),
        ];
  return { vpcId, privateSubnetIds, publicSubnetIds, foundations: leftovers };
}
