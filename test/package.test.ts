// SPDX-License-Identifier: Apache-2.0
// The npm package as its users get it: packed, installed below node_modules, imported and run.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { privateKey } from "./components/bare-metal-args.ts";

const repository = resolve(import.meta.dirname, "..");
const user = mkdtempSync(join(tmpdir(), "sansproxy-package-"));
const installed = join(user, "node_modules", "sansproxy");

/** Packing compiles the whole package, cloud SDKs' types included. */
const packMs = 240_000;

const run = (program: string, ...args: string[]) => execFileSync(program, args, { cwd: user, encoding: "utf8" });

beforeAll(() => {
  execFileSync("npm", ["pack", "--silent", "--pack-destination", user], { cwd: repository, stdio: "pipe" });
  const archive = readdirSync(user).find((name) => name.endsWith(".tgz")) ?? "";
  mkdirSync(installed, { recursive: true });
  run("tar", "-xzf", archive, "-C", installed, "--strip-components=1");
  // What npm would install beside it; each dependency is linked by its name.
  for (const name of readdirSync(join(repository, "node_modules"))) {
    if (!name.startsWith(".")) symlinkSync(join(repository, "node_modules", name), join(user, "node_modules", name));
  }
}, packMs);
afterAll(() => rmSync(user, { recursive: true, force: true }));

describe("the package", () => {
  test("gives its components to a program", () => {
    writeFileSync(
      join(user, "program.mjs"),
      'import * as all from "sansproxy"; console.log(Object.keys(all).join(" "));',
    );
    const names = run(process.execPath, "program.mjs");
    for (const name of ["BareMetalCluster", "Datapath", "Verification"]) expect(names).toContain(name);
  });

  test("brings the files its components read: chart, host scripts, and the command line", () => {
    const program = `
      import * as pulumi from "@pulumi/pulumi";
      await pulumi.runtime.setMocks({ newResource: ({ name, inputs }) => ({ id: name, state: inputs }), call: () => ({}) }, "project", "stack", true);
      const { BareMetalCluster, Datapath, Verification } = await import("sansproxy");
      const { cluster } = new BareMetalCluster("metal", {
        hosts: [{ name: "cp-1", role: "control-plane", address: "192.0.2.11", insecureIgnoreHostKey: true }],
        privateKey: ${JSON.stringify(privateKey)}, kubernetesVersion: "1.36.3",
      });
      const datapath = new Datapath("datapath", { cluster, engine: "agent" });
      const { effectiveValues } = datapath;
      new Verification("verification", { cluster, effectiveValues }, { dependsOn: [datapath] });
      await pulumi.runtime.disconnect();
      console.log("declared");`;
    writeFileSync(join(user, "declare.mjs"), program);
    expect(run(process.execPath, "declare.mjs")).toContain("declared");
  });

  test("brings the policy pack, compiled", () => {
    const program = `
      import { resourceRules, stackRules } from "./node_modules/sansproxy/dist/stacks/policy/rules.js";
      console.log([...resourceRules, ...stackRules].map(({ name }) => name).join(" "));`;
    writeFileSync(join(user, "rules.mjs"), program);
    expect(run(process.execPath, "rules.mjs")).toContain("no-kube-proxy-addon");
    for (const file of ["PulumiPolicy.yaml", "package.json", "entry.cjs"]) {
      expect(readdirSync(join(installed, "stacks/policy"))).toContain(file);
    }
  });

  test("runs its command, compiled", () => {
    expect(run(process.execPath, join(installed, "agent", "sansproxy.mjs"), "--help")).toContain("verify");
    expect(run(process.execPath, join(installed, "agent", "sansproxy.mjs"), "review", "--help")).toContain("--fail-on");
  });
});
