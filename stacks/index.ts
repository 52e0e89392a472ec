// SPDX-License-Identifier: Apache-2.0
// Runs the stack that the configuration names; what its program returns becomes the stack's outputs.

import * as pulumi from "@pulumi/pulumi";

type Program = () => Promise<Record<string, unknown>>;

/** Loaded on demand: one stack's libraries are no burden to another. */
const programs: Readonly<Record<string, () => Promise<{ program: Program }>>> = {
  local: () => import("./local/program.ts"),
  eks: () => import("./eks/program.ts"),
  gke: () => import("./gke/program.ts"),
  "bare-metal": () => import("./bare-metal/program.ts"),
  "multi-cloud": () => import("./multi-cloud/program.ts"),
};

export default async function run(): Promise<Record<string, unknown>> {
  const name = new pulumi.Config("sansproxy").get("stack") ?? "local";
  const load = programs[name];
  if (load === undefined) {
    throw new pulumi.RunError(
      `The configuration sansproxy:stack is "${name}", and there is no such stack; set it to one of: ${Object.keys(programs).join(", ")} (pulumi config set sansproxy:stack local).`,
    );
  }
  const { program } = await load();
  return await program();
}
