// SPDX-License-Identifier: Apache-2.0
// The IAM role of the nodes: what every node may do, and what the mode's giver of pod addresses has to do.

import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";
import type { EksMode } from "./modes.ts";

/** What Cilium's operator asks of EC2 when pods get addresses of AWS' interfaces. */
const eniActions: readonly string[] = [
  "ec2:AssignIpv6Addresses",
  "ec2:AssignPrivateIpAddresses",
  "ec2:AttachNetworkInterface",
  "ec2:CreateNetworkInterface",
  "ec2:CreateTags",
  "ec2:DeleteNetworkInterface",
  "ec2:DescribeInstanceTypes",
  "ec2:DescribeInstances",
  "ec2:DescribeManagedPrefixLists",
  "ec2:DescribeNetworkInterfaces",
  "ec2:DescribeRouteTables",
  "ec2:DescribeSecurityGroups",
  "ec2:DescribeSubnets",
  "ec2:DescribeTags",
  "ec2:DescribeVpcs",
  "ec2:GetManagedPrefixListEntries",
  "ec2:ModifyNetworkInterfaceAttribute",
  "ec2:UnassignPrivateIpAddresses",
];

const json = (value: object): string => JSON.stringify({ Version: "2012-10-17", ...value });

/** The role, with everything that has to be attached to it before a node can use it. */
export interface NodeRole {
  readonly role: aws.iam.Role;
  readonly attached: pulumi.Resource[];
}

/** Makes the nodes' role. The operator runs before any pod identity can be handed out: its permissions are the node's. */
export function nodeRole(
  name: string,
  mode: EksMode,
  partition: string,
  tags: { [key: string]: pulumi.Input<string> },
  parent: pulumi.Resource,
): NodeRole {
  const role = new aws.iam.Role(
    `${name}-node`,
    {
      description: `Nodes of the EKS cluster ${name}`,
      assumeRolePolicy: json({
        Statement: [{ Effect: "Allow", Action: "sts:AssumeRole", Principal: { Service: "ec2.amazonaws.com" } }],
      }),
      tags,
    },
    { parent },
  );
  const managed = [
    "AmazonEKSWorkerNodePolicy",
    "AmazonEC2ContainerRegistryPullOnly",
    ...(mode.vpcCni ? ["AmazonEKS_CNI_Policy"] : []),
  ];
  const attached: pulumi.Resource[] = managed.map(
    (policy) =>
      new aws.iam.RolePolicyAttachment(
        `${name}-node-${policy}`,
        { role: role.name, policyArn: `arn:${partition}:iam::aws:policy/${policy}` },
        { parent },
      ),
  );
  if (mode.eni) {
    const policy = json({ Statement: [{ Effect: "Allow", Action: eniActions, Resource: "*" }] });
    attached.push(new aws.iam.RolePolicy(`${name}-node-eni`, { role: role.name, policy }, { parent }));
  }
  return { role, attached };
}
