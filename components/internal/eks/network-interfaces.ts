// SPDX-License-Identifier: Apache-2.0
// Deletes the network interfaces that nodes left behind, before the subnets in which they are.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type * as aws from "@pulumi/aws";
import { local } from "@pulumi/command";
import type * as pulumi from "@pulumi/pulumi";
import { packageRoot } from "../package-root.ts";

const script = join(packageRoot, "components", "internal", "eks", "network-interfaces.sh");

/** Does nothing until it is deleted: after nodes and cluster, which depend on it, and before the subnets. */
export function releaseNetworkInterfaces(
  name: string,
  vpc: aws.ec2.Vpc,
  profile: pulumi.Input<string> | undefined,
  subnets: readonly aws.ec2.Subnet[],
  parent: pulumi.Resource,
): local.Command {
  return new local.Command(
    `${name}-network-interfaces`,
    {
      create: "true",
      update: "true",
      delete: readFileSync(script, "utf8"),
      environment: {
        VPC_ID: vpc.id,
        // arn:aws:ec2:REGION:ACCOUNT:vpc/ID
        AWS_REGION: vpc.arn.apply((arn) => arn.split(":")[3] ?? ""),
        ...(profile === undefined ? {} : { AWS_PROFILE: profile }),
      },
      addPreviousOutputInEnv: false,
    },
    { parent, dependsOn: [...subnets] },
  );
}
