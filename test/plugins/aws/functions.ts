// SPDX-License-Identifier: Apache-2.0
// Answers what programs ask the simulated AWS: region, zones, and who they are.
import { type Kind, text } from "../clouds/kind.ts";
import type { CloudFunction } from "../clouds/provider.ts";
import { account } from "./network.ts";

const region: CloudFunction = (_args, { settings }) => {
  const name = settings["region"] ?? "";
  if (name === "") throw new Error("Missing region configuration: pulumi config set aws:region REGION");
  return {
    id: name,
    name,
    region: name,
    description: `${name} (simulated)`,
    endpoint: `ec2.${name}.simulated.invalid`,
  };
};

export const functions: Readonly<Record<string, CloudFunction>> = {
  "aws:index/getRegion:getRegion": region,
  "aws:index/getAvailabilityZones:getAvailabilityZones": (args, around) => {
    const name = text(region(args, around)["name"]);
    const names = ["a", "b", "c"].map((letter) => `${name}${letter}`);
    return { id: name, region: name, names, zoneIds: ["use1-az1", "use1-az2", "use1-az3"], groupNames: [name] };
  },
  "aws:index/getCallerIdentity:getCallerIdentity": () => ({
    id: account,
    accountId: account,
    arn: `arn:aws:iam::${account}:user/simulated`,
    userId: "AIDASIMULATED",
  }),
  "aws:index/getPartition:getPartition": () => ({
    id: "aws",
    partition: "aws",
    dnsSuffix: "amazonaws.com",
    reverseDnsPrefix: "com.amazonaws",
  }),
};

/** A classic load balancer, made by a Service. */
export const loadBalancer: Kind = {
  token: "aws:elb/loadBalancer:LoadBalancer",
  immutable: [],
  computed: [],
  create: async () => {
    throw new Error("a load balancer is made by a Service of type LoadBalancer here, and not by a program");
  },
};
