// SPDX-License-Identifier: Apache-2.0
// Writes the schema of the components for other languages from their TypeScript types, as Pulumi's own analyzer reads them.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Analyzer } from "@pulumi/pulumi/provider/experimental/analyzer.js";
import { generateSchema } from "@pulumi/pulumi/provider/experimental/schema.js";

const root = resolve(import.meta.dirname, "../../..");
const components = {
  index: ["BareMetalCluster", "Datapath", "LoadBalancerRelease", "Verification"],
  eks: ["EksCluster", "EksNodeGroups"],
  gke: ["GkeCluster", "GkeNodePools"],
};

export const schemaFile = join(root, "components/plugin/schema.json");

/** The schema as a text. */
export function schemaOfComponents(): string {
  const { version, description } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Record<
    string,
    string
  >;
  const folder = mkdtempSync(join(tmpdir(), "sansproxy-schema-"));
  try {
    // One entry for the analyzer; the package has one for each cloud.
    const entry = join(folder, "components.ts");
    const entries = Object.keys(components).map((name) => join(root, `components/${name}.ts`));
    writeFileSync(entry, entries.map((path) => `export * from ${JSON.stringify(path)};\n`).join(""));
    const options = { typeRoots: [join(root, "node_modules/@types")] };
    writeFileSync(
      join(folder, "tsconfig.json"),
      JSON.stringify({ extends: join(root, "tsconfig.json"), compilerOptions: options, files: [entry] }),
    );
    const manifest = { name: "sansproxy", exports: { ".": entry } } as never;
    const analyzed = new Analyzer(folder, "sansproxy", manifest, new Set(Object.values(components).flat())).analyze();
    const { components: found, typeDefinitions, dependencies } = analyzed;
    const schema = generateSchema("sansproxy", version ?? "", description ?? "", found, typeDefinitions, dependencies);
    return `${JSON.stringify(schema, undefined, 2)}\n`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (process.argv[1] === import.meta.filename) writeFileSync(schemaFile, schemaOfComponents());
