// SPDX-License-Identifier: Apache-2.0
// Simulates EC2's networks: VPCs, subnets, gateways, routes, security groups, and the interfaces that keep them from going.
import { newId } from "../clouds/account.ts";
import { type Kind, type Reference, text } from "../clouds/kind.ts";
import { overlap, parseRange, within } from "../clouds/ranges.ts";
import type { CheckFailure } from "../provider.ts";
import { type Dict, Unknown } from "../values.ts";

export const tokens = {
  vpc: "aws:ec2/vpc:Vpc",
  subnet: "aws:ec2/subnet:Subnet",
  internetGateway: "aws:ec2/internetGateway:InternetGateway",
  natGateway: "aws:ec2/natGateway:NatGateway",
  eip: "aws:ec2/eip:Eip",
  routeTable: "aws:ec2/routeTable:RouteTable",
  route: "aws:ec2/route:Route",
  association: "aws:ec2/routeTableAssociation:RouteTableAssociation",
  securityGroup: "aws:ec2/securityGroup:SecurityGroup",
  rule: "aws:ec2/securityGroupRule:SecurityGroupRule",
  ingress: "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
  egress: "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
  launchTemplate: "aws:ec2/launchTemplate:LaunchTemplate",
  interface: "aws:ec2/networkInterface:NetworkInterface",
} as const;

export const account = "123456789012";
export const arn = (service: string, region: string, rest: string): string =>
  `arn:aws:${service}:${region}:${account}:${rest}`;

export const refer = (type: string, missing: string, holds = true): Reference => ({ type, missing, holds });
const inVpc = { vpcId: refer(tokens.vpc, "InvalidVpcID.NotFound") };
const inSubnet = { subnetId: refer(tokens.subnet, "InvalidSubnetID.NotFound") };

/** AWS gives interfaces of others twenty minutes to go before the deletion of what they lie in fails. */
const releaseMinutes = 20;

const cidrRule = (inputs: Dict, property: string): CheckFailure[] => {
  const value = inputs[property];
  if (value === undefined || value instanceof Unknown || parseRange(text(value)) !== undefined) return [];
  return [{ property, reason: `must be an IPv4 range such as 10.0.0.0/16, and not "${text(value)}"` }];
};

/** A kind that has an id and an ARN, and nothing else of its own. */
const plain = (
  token: string,
  prefix: string,
  kind: string,
  more: Partial<Kind> & { readonly late?: (inputs: Dict, id: string) => Dict; readonly minutes?: number },
): Kind => ({
  immutable: [],
  computed: ["arn"],
  token,
  ...more,
  async create(inputs, { settings, clock, subject }) {
    await clock.pass(more.minutes ?? 0.05, subject.signal);
    const id = newId(prefix);
    const region = settings["region"] ?? "";
    return { id, outputs: { arn: arn("ec2", region, `${kind}/${id}`), ...more.late?.(inputs, id) } };
  },
});

const subnet: Kind = {
  ...plain(tokens.subnet, "subnet-", "subnet", {
    immutable: ["vpcId", "cidrBlock", "availabilityZone", "availabilityZoneId"],
    computed: ["arn", "availabilityZoneId", "ownerId"],
    references: inVpc,
    releaseMinutes,
    check: (inputs) => cidrRule(inputs, "cidrBlock"),
  }),
  async create(inputs, around) {
    const [vpcId, range] = [text(inputs["vpcId"]), text(inputs["cidrBlock"])];
    const outer = text(around.account.get(tokens.vpc, vpcId)?.outputs["cidrBlock"]);
    if (!within(outer, range)) throw new Error(`InvalidSubnet.Range: The CIDR '${range}' is invalid (VPC ${outer})`);
    const other = around.account
      .list(tokens.subnet)
      .find(({ inputs: its }) => its["vpcId"] === vpcId && overlap(text(its["cidrBlock"]), range));
    if (other !== undefined) {
      throw new Error(`InvalidSubnet.Conflict: The CIDR '${range}' conflicts with another subnet (${other.id})`);
    }
    await around.clock.pass(0.1, around.subject.signal);
    const id = newId("subnet-");
    const region = around.settings["region"] ?? "";
    return {
      id,
      outputs: { arn: arn("ec2", region, `subnet/${id}`), availabilityZoneId: "use1-az1", ownerId: account },
    };
  },
};

const ruleKind = (token: string, group: string): Kind =>
  plain(token, "sgr-", "security-group-rule", {
    immutable:
      group === "securityGroupId" && token !== tokens.rule
        ? [group]
        : [group, "type", "protocol", "fromPort", "toPort", "sourceSecurityGroupId", "self", "cidrBlocks"],
    computed: token === tokens.rule ? ["securityGroupRuleId"] : ["arn", "securityGroupRuleId"],
    references: {
      [group]: refer(tokens.securityGroup, "InvalidGroup.NotFound", false),
      ...(token === tokens.rule
        ? { sourceSecurityGroupId: refer(tokens.securityGroup, "InvalidGroup.NotFound") }
        : { referencedSecurityGroupId: refer(tokens.securityGroup, "InvalidGroup.NotFound") }),
    },
    late: (_inputs, id) => ({ securityGroupRuleId: id }),
  });

export const networkKinds: readonly Kind[] = [
  plain(tokens.vpc, "vpc-", "vpc", {
    immutable: ["cidrBlock", "instanceTenancy", "ipv4IpamPoolId"],
    computed: [
      "arn",
      "defaultNetworkAclId",
      "defaultRouteTableId",
      "defaultSecurityGroupId",
      "mainRouteTableId",
      "ownerId",
    ],
    releaseMinutes: 5,
    check: (inputs) => cidrRule(inputs, "cidrBlock"),
    late: () => ({
      defaultNetworkAclId: newId("acl-"),
      defaultRouteTableId: newId("rtb-"),
      defaultSecurityGroupId: newId("sg-"),
      mainRouteTableId: newId("rtb-"),
      ownerId: account,
    }),
    minutes: 0.2,
  }),
  subnet,
  plain(tokens.internetGateway, "igw-", "internet-gateway", {
    computed: ["arn", "ownerId"],
    references: inVpc,
    releaseMinutes,
    late: () => ({ ownerId: account }),
  }),
  plain(tokens.eip, "eipalloc-", "elastic-ip", {
    immutable: ["domain"],
    computed: ["allocationId", "arn", "publicIp"],
    held: "AuthFailure: You do not have permission to access the specified resource",
    late: (_inputs, id) => ({ allocationId: id, publicIp: "203.0.113.10" }),
  }),
  plain(tokens.natGateway, "nat-", "natgateway", {
    immutable: ["subnetId", "allocationId", "connectivityType", "privateIp"],
    computed: ["networkInterfaceId", "publicIp"],
    references: { ...inSubnet, allocationId: refer(tokens.eip, "InvalidAllocationID.NotFound") },
    late: () => ({ networkInterfaceId: newId("eni-"), publicIp: "203.0.113.10" }),
    minutes: 2,
  }),
  plain(tokens.routeTable, "rtb-", "route-table", {
    immutable: ["vpcId"],
    computed: ["arn", "ownerId"],
    references: {
      ...inVpc,
      "routes.gatewayId": refer(tokens.internetGateway, "InvalidGatewayID.NotFound", false),
      "routes.natGatewayId": refer(tokens.natGateway, "InvalidNatGatewayID.NotFound", false),
    },
    late: () => ({ ownerId: account }),
  }),
  plain(tokens.route, "r-", "route", {
    immutable: ["routeTableId", "destinationCidrBlock"],
    computed: ["origin", "state"],
    references: {
      routeTableId: refer(tokens.routeTable, "InvalidRouteTableID.NotFound", false),
      gatewayId: refer(tokens.internetGateway, "InvalidGatewayID.NotFound", false),
      natGatewayId: refer(tokens.natGateway, "InvalidNatGatewayID.NotFound", false),
    },
    late: () => ({ origin: "CreateRoute", state: "active" }),
  }),
  plain(tokens.association, "rtbassoc-", "association", {
    immutable: ["subnetId", "gatewayId"],
    computed: [],
    references: { ...inSubnet, routeTableId: refer(tokens.routeTable, "InvalidRouteTableID.NotFound") },
  }),
  plain(tokens.securityGroup, "sg-", "security-group", {
    autoName: "name",
    immutable: ["name", "namePrefix", "vpcId", "description"],
    computed: ["arn", "ownerId"],
    defaults: { description: "Managed by Pulumi" },
    references: inVpc,
    releaseMinutes: 15,
    late: () => ({ ownerId: account }),
  }),
  ruleKind(tokens.rule, "securityGroupId"),
  ruleKind(tokens.ingress, "securityGroupId"),
  ruleKind(tokens.egress, "securityGroupId"),
  plain(tokens.launchTemplate, "lt-", "launch-template", {
    autoName: "name",
    immutable: ["name", "namePrefix"],
    computed: ["arn", "defaultVersion", "latestVersion"],
    late: () => ({ defaultVersion: 1, latestVersion: 1 }),
    update: async (stored) => ({ latestVersion: Number(stored.outputs["latestVersion"]) + 1 }),
  }),
  // Made by node groups and by Services: a program's own has no place in the stacks.
  plain(tokens.interface, "eni-", "network-interface", {
    immutable: ["subnetId"],
    computed: ["arn"],
    references: { ...inSubnet, securityGroups: refer(tokens.securityGroup, "InvalidGroup.NotFound") },
  }),
];
