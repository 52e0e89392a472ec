// SPDX-License-Identifier: Apache-2.0
// Deletes the network interfaces that nodes left behind, before the subnets in which they are.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { local } from "@pulumi/command";
import type * as pulumi from "@pulumi/pulumi";
import { packageRoot } from "../package-root.ts";

const script = join(packageRoot, "components", "internal", "eks", "network-interfaces.sh");

/** Which interfaces are deleted. */
export interface Leftovers {
  readonly vpcId: pulumi.Input<string>;
  readonly region: pulumi.Input<string>;
  /** The tag that the interfaces have; without it, all that no machine has are. */
  readonly tag?: { readonly key: string; readonly value: string };
  readonly profile: pulumi.Input<string> | undefined;
}

/** Does nothing until it is deleted: after nodes and cluster, which depend on it, and before the subnets. */
export function releaseNetworkInterfaces(
  name: string,
  { vpcId, region, tag, profile }: Leftovers,
  opts: pulumi.CustomResourceOptions,
): local.Command {
  return new local.Command(
    `${name}-network-interfaces`,
    {
      create: "true",
      update: "true",
      delete: readFileSync(script, "utf8"),
      environment: {
        VPC_ID: vpcId,
        AWS_REGION: region,
        ...(tag === undefined ? {} : { OWNER: `Name=tag:${tag.key},Values=${tag.value}` }),
        ...(profile === undefined ? {} : { AWS_PROFILE: profile }),
      },
      addPreviousOutputInEnv: false,
    },
    opts,
  );
}
