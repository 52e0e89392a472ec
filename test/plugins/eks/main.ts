// SPDX-License-Identifier: Apache-2.0
// The simulated eks provider: answers Construct with the children that the official component makes of these inputs.
import * as pulumi from "@pulumi/pulumi";
import { main } from "@pulumi/pulumi/provider/index.js";
import { resourceTypes, sdkVersion } from "../clouds/sdk-types.ts";
import type { CheckFailure } from "../provider.ts";
import { checkFields } from "../shapes.ts";
import { type Dict, isDict, unknown, type Value } from "../values.ts";
import { makeCluster } from "./cluster.ts";

/** What is known of an input; nothing is said against what is not known yet. */
const known = async (input: unknown): Promise<Value> => {
  if (pulumi.Output.isInstance(input)) {
    const output: pulumi.Output<unknown> = pulumi.output<unknown>(input);
    // Outputs know this of themselves, and do not say so in their types.
    const { isKnown } = output as unknown as { readonly isKnown: Promise<boolean> };
    if (!(await isKnown)) return unknown;
    return known(await new Promise((resolve) => output.apply(resolve)));
  }
  if (Array.isArray(input)) return await Promise.all(input.map(known));
  if (typeof input !== "object" || input === null) return (input ?? null) as Value;
  const members = await Promise.all(
    Object.entries(input).map(async ([key, value]) => [key, await known(value)] as const),
  );
  return Object.fromEntries(members.filter(([, value]) => value !== null));
};

const refuseWrongInputs = async (type: string, inputs: pulumi.Inputs): Promise<Dict> => {
  const failures: CheckFailure[] = [];
  const plain = await known(inputs);
  const checked = checkFields(isDict(plain) ? plain : {}, resourceTypes(type).inputs, "", failures);
  if (failures.length > 0) {
    throw new pulumi.InputPropertiesError({
      message: `simulated eks: ${type} cannot be made like this`,
      errors: failures.map(({ property, reason }) => ({ propertyPath: property, reason })),
    });
  }
  return checked;
};

await main(
  {
    version: `${sdkVersion("eks")}+simulated`,
    async construct(name, type, inputs, options) {
      if (type !== "eks:index:Cluster") {
        throw new Error(
          `the simulated eks has no ${type}: it has eks:index:Cluster; use the official plugin for the rest`,
        );
      }
      const cluster = makeCluster(name, inputs, await refuseWrongInputs(type, inputs), options);
      return { urn: cluster.urn, state: cluster.state };
    },
  },
  process.argv.slice(2),
);
