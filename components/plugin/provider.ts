// SPDX-License-Identifier: Apache-2.0
// Serves the components to programs in YAML, Python, Go and other languages: the schema, and the making of each.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import * as provider from "@pulumi/pulumi/provider/index.js";
import { BareMetalCluster, Datapath, LoadBalancerRelease, Verification } from "../index.ts";
import { packageRoot, packageVersion } from "../internal/package-root.ts";
import { clusterInput } from "./cluster-input.ts";

type Constructor = new (name: string, args: never, opts: pulumi.ComponentResourceOptions) => pulumi.ComponentResource;

/** The components by type. Those of a cloud are loaded when one is asked for: their SDKs are large, and optional. */
const components: Readonly<Record<string, () => Constructor | Promise<Constructor>>> = {
  "sansproxy:index:BareMetalCluster": () => BareMetalCluster as Constructor,
  "sansproxy:index:Datapath": () => Datapath as Constructor,
  "sansproxy:index:LoadBalancerRelease": () => LoadBalancerRelease as Constructor,
  "sansproxy:index:Verification": () => Verification as Constructor,
  "sansproxy:index:EksCluster": async () => (await import("../eks.ts")).EksCluster as Constructor,
  "sansproxy:index:EksNodeGroups": async () => (await import("../eks.ts")).EksNodeGroups as Constructor,
  "sansproxy:index:GkeCluster": async () => (await import("../gke.ts")).GkeCluster as Constructor,
  "sansproxy:index:GkeNodePools": async () => (await import("../gke.ts")).GkeNodePools as Constructor,
};

/** Packages without which the components of a cloud cannot be loaded. */
const sdks: Readonly<Record<string, string>> = { Eks: "@pulumi/eks @pulumi/aws", Gke: "@pulumi/gcp" };

async function load(type: string): Promise<Constructor> {
  const component = components[type];
  if (component === undefined) {
    throw new Error(`There is no component ${type}; there are ${Object.keys(components).join(", ")}.`);
  }
  try {
    return await component();
  } catch (error) {
    const needed = sdks[type.split(":").at(-1)?.slice(0, 3) ?? ""];
    const missing = needed
      ?.split(" ")
      .some((name) => (error as Error).message.startsWith(`Cannot find package '${name}'`));
    if (missing !== true) throw error;
    throw new Error(
      `${type} cannot be loaded, because a package that it needs is not installed beside sansproxy; run: npm install ${needed}`,
      { cause: error },
    );
  }
}

interface Schema {
  readonly resources: Readonly<Record<string, { readonly properties?: Readonly<Record<string, unknown>> }>>;
}

/** The schema, as test/components/plugin/generate-schema.ts wrote it from the components' types. */
export const schemaFile: string = join(packageRoot, "components", "plugin", "schema.json");

/** A component of which a preview can say nothing but that it will be there. */
function later(
  name: string,
  type: string,
  outputs: readonly string[],
  options: pulumi.ComponentResourceOptions,
): provider.ConstructResult {
  if (!pulumi.runtime.isDryRun()) {
    throw new pulumi.InputPropertiesError({
      message: `${type} "${name}" has no cluster`,
      errors: [
        {
          propertyPath: "cluster",
          reason: "has no name, platform or capabilities; give the output `cluster` of a cluster component as it is.",
        },
      ],
    });
  }
  const made = new pulumi.ComponentResource(type, name, {}, options);
  void pulumi.log.info(
    "Its parts are planned when its cluster is known: by the update, and by every later preview.",
    made,
  );
  return { urn: made.urn, state: Object.fromEntries(outputs.map((key) => [key, pulumi.output(pulumi.unknown)])) };
}

/**
 * The SDK (3.270) reads the URN of `deletedWith` as a reference to a provider, `URN::ID`, and takes its last part for the id:
 * put together again, it is the URN that the engine gave.
 */
async function wholeDeletedWith(options: pulumi.ComponentResourceOptions): Promise<pulumi.ComponentResourceOptions> {
  const cut = options.deletedWith as pulumi.ProviderResource | undefined;
  if (cut === undefined) return options;
  const urn = await new Promise<string>((resolve) => {
    pulumi.all([cut.urn, cut.id]).apply(([front, last]) => resolve(`${front}::${last}`));
  });
  return { ...options, deletedWith: new pulumi.DependencyResource(urn) };
}

/** Makes one component as the engine asks for it. */
async function construct(
  name: string,
  type: string,
  inputs: pulumi.Inputs,
  asked: pulumi.ComponentResourceOptions,
): Promise<provider.ConstructResult> {
  const options = await wholeDeletedWith(asked);
  const Component = await load(type);
  const schema = JSON.parse(readFileSync(schemaFile, "utf8")) as Schema;
  const outputs = Object.keys(schema.resources[type]?.properties ?? {});
  const given = inputs["cluster"];
  const cluster = given === undefined ? undefined : await clusterInput(given);
  if (given !== undefined && cluster === undefined) return later(name, type, outputs, options);
  const made = new Component(name, { ...inputs, ...(cluster === undefined ? {} : { cluster }) } as never, options);
  const state = Object.fromEntries(outputs.map((key) => [key, (made as unknown as Record<string, unknown>)[key]]));
  return { urn: made.urn, state };
}

/** Serves until the engine ends this process. */
export async function servePlugin(args: string[]): Promise<void> {
  const schema = readFileSync(schemaFile, "utf8");
  await provider.main({ version: packageVersion, schema, construct }, args);
}
