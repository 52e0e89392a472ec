// SPDX-License-Identifier: Apache-2.0
// Takes each template the way of a new user: pulumi new, the package beside it, a preview with the policy pack, its review.
import { execFileSync } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { privateKey } from "../components/bare-metal-args.ts";
import { languageHosts } from "../plugins/fixtures/language-hosts.ts";
import { program } from "../plugins/fixtures/programs.ts";
import { type PackedPackage, packPackage } from "../support/packed-package.ts";
import { type CloudStack, createCloudStack } from "./fixtures/cloud-stack.ts";

const root = resolve(import.meta.dirname, "../..");

let cloud: CloudStack;
let packed: PackedPackage;
beforeAll(async () => {
  cloud = await createCloudStack({}, await languageHosts());
  const folder = join(cloud.stack.directory, "packed");
  mkdirSync(folder);
  packed = packPackage(folder);
});
afterAll(() => cloud[Symbol.asyncDispose]());

const environment = (): NodeJS.ProcessEnv => ({
  ...(cloud.stack.environment as NodeJS.ProcessEnv),
  PATH: `${join(program("pulumi"), "..")}:${cloud.stack.environment["PATH"]}`,
});
const run = (cwd: string, input: string, command: string, ...args: string[]): string =>
  execFileSync(command, args, { cwd, env: environment(), encoding: "utf8", input, stdio: "pipe" });
const pulumi = (cwd: string, ...args: string[]): string => run(cwd, "", "pulumi", ...args, "--non-interactive");

interface Template {
  /** Configuration without which there is nothing to preview; `@file` is a file with an SSH key, `@secret` the key itself. */
  readonly config: Readonly<Record<string, string>>;
  /** Resources of the first preview, each of which is made after the one before. */
  readonly order: readonly string[];
}

const eksOrder = ["eks-vpc", "datapath-release", "nodes-default", "nodes-coredns", "verification-run"];
const gkeOrder = ["gke-cluster", "nodes-default", "verification-run"];

const agent = { agentRepository: "registry.example.com/sansproxy/agent" };

const metalOrder = ["metal-cp-1-preflight", "metal-init", "metal-worker-1-member"];

const templates: Readonly<Record<string, Template>> = {
  "bare-metal-yaml": { config: { sshKey: "@secret" }, order: metalOrder },
  "bare-metal-python": { config: { sshKey: "@secret" }, order: metalOrder },
  "bare-metal-typescript": {
    config: { sshPrivateKeyFile: "@file", ...agent },
    order: ["metal-cp-1-preflight", "metal-init", "datapath-release", "verification-run"],
  },
  "eks-typescript": { config: { "aws:region": "eu-central-1", ...agent }, order: eksOrder },
  "gke-typescript": { config: { "gcp:project": "shop", ...agent }, order: gkeOrder },
  "multi-cloud-typescript": {
    config: { sshPrivateKeyFile: "@file", "aws:region": "eu-central-1", "gcp:project": "shop", ...agent },
    order: ["metal-init", "metal-datapath-release", "metal-verification-run"],
  },
};

describe.each(Object.entries(templates))("pulumi new %s", (name, { config, order }) => {
  const project = (): string => join(cloud.stack.directory, name);

  test("makes a project of its own name, that knows the components", () => {
    const wanted = ["--name", "shop", "--description", "A shop", "--dir", project(), "--generate-only", "--yes"];
    pulumi(cloud.stack.directory, "new", join(root, "stacks/templates", name), ...wanted);
    expect(readFileSync(join(project(), "Pulumi.yaml"), "utf8")).toMatch(/^name: shop$/m);
    expect(readFileSync(join(project(), "Pulumi.yaml"), "utf8")).not.toMatch(/^template:/m);
    expect(JSON.parse(readFileSync(join(project(), "package.json"), "utf8"))).toMatchObject({ name: "shop" });
    expect(existsSync(join(project(), ".gitignore"))).toBe(true);
    // A file that two templates share is a link in the one, and a file in the project.
    if (existsSync(join(project(), "hosts.ts"))) expect(lstatSync(join(project(), "hosts.ts")).isFile()).toBe(true);
    packed.installIn(project());
    if (name.endsWith("-typescript"))
      run(project(), "", process.execPath, join(root, "node_modules/typescript/bin/tsc"), "-p", ".");
    else {
      const added = pulumi(project(), "package", "add", "./node_modules/sansproxy/components/plugin");
      expect(added).toContain("Successfully generated an SDK for the sansproxy package");
    }
  });

  test("has a first preview that is green, by the package's own policies too, and shows no key", () => {
    pulumi(project(), "stack", "init", name);
    for (const [key, value] of Object.entries(config)) {
      const file = join(project(), "id_ed25519");
      if (value === "@file") run(project(), privateKey, "tee", file);
      if (value === "@secret") run(project(), privateKey, "pulumi", "config", "set", "--secret", key);
      else pulumi(project(), "config", "set", key, value === "@file" ? file : value);
    }
    const preview = pulumi(project(), "preview", "--policy-pack", "node_modules/sansproxy/stacks/policy");
    expect(preview).toContain("✅ sansproxy@v0.1.0");
    expect(preview).not.toContain("advisory");
    expect(preview).toMatch(/\+ \d+ to create/);
    expect(preview).not.toContain("THE-SSH-KEY");
    expect(cloud.account.list()).toEqual([]);
  });

  test("is reviewed by the installed package, in the order in which it is made", () => {
    const command = join(project(), "node_modules/sansproxy/agent/sansproxy.mjs");
    const review = run(project(), "", process.execPath, command, "review", "--fail-on", "policy,cluster-loss");
    expect(review).toContain(`<!-- sansproxy-review:shop/${name} -->`);
    expect(review).not.toContain("THE-SSH-KEY");
    const steps = review.slice(review.indexOf("### Order of steps"), review.indexOf("### Rollback")).split("\n");
    const lines = order.map((resource) => steps.findIndex((line) => line.includes(`\`${resource}\``)));
    expect(lines).not.toContain(-1);
    expect(lines).toEqual(lines.toSorted((a, b) => a - b));
  });
});
