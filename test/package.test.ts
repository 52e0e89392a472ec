// SPDX-License-Identifier: Apache-2.0
// The npm package as its users get it: what is in it, each way into it, its types for a strict program, and its command.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { privateKey } from "./components/bare-metal-args.ts";
import { packPackage } from "./support/packed-package.ts";

const repository = resolve(import.meta.dirname, "..");
const folder = mkdtempSync(join(tmpdir(), "sansproxy-package-"));
/** A project with the cloud SDKs, and one of a user who has servers only. */
const [user, metalUser] = [join(folder, "user"), join(folder, "metal")];
let installed = "";

/** Packing compiles the whole package, cloud SDKs' types included. */
const packMs = 240_000;

const run = (cwd: string, program: string, ...args: string[]) =>
  execFileSync(program, args, { cwd, encoding: "utf8", stdio: "pipe" });
const runProgram = (cwd: string, text: string): string => {
  writeFileSync(join(cwd, "program.mjs"), text);
  return run(cwd, process.execPath, "program.mjs");
};

beforeAll(() => {
  const packed = join(folder, "packed");
  for (const path of [packed, user, metalUser]) mkdirSync(path);
  const archive = packPackage(packed);
  installed = archive.installIn(user);
  archive.installIn(metalUser, ["@pulumi/aws", "@pulumi/eks", "@pulumi/gcp"]);
  // npm links a package's commands; here by the same field.
  const { bin } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8")) as { bin: Record<string, string> };
  mkdirSync(join(user, "node_modules/.bin"));
  for (const [name, path] of Object.entries(bin)) {
    symlinkSync(join("../sansproxy", path), join(user, "node_modules/.bin", name));
  }
}, packMs);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("holds its licences, its README and its changes, and neither tests nor anything of a clone", () => {
  const files = readdirSync(installed, { recursive: true, encoding: "utf8" });
  for (const file of [
    ...["LICENSE", "README.md", "CHANGELOG.md", "bpf/LICENSE.BSD-2-Clause", "bpf/LICENSE.GPL-2.0-only"],
    ...["stacks/policy/PulumiPolicy.yaml", "stacks/policy/package.json", "stacks/policy/entry.cjs"],
    ...["components/plugin/PulumiPlugin.yaml", "components/plugin/schema.json", "components/plugin/README.md"],
  ]) {
    expect(files).toContain(file);
  }
  const strange = files.filter((file) => /(^|\/)(test|node_modules|\.[^/]+)(\/|$)|\.test\.|tsbuildinfo$/.test(file));
  expect(strange.filter((file) => file !== "components/plugin/.npmrc")).toEqual([]);
});

describe("each way in", () => {
  test.each([
    ["sansproxy", "BareMetalCluster Datapath LoadBalancerRelease Verification"],
    ["sansproxy/bare-metal", "BareMetalCluster"],
    ["sansproxy/eks", "EksCluster EksNodeGroups"],
    ["sansproxy/gke", "GkeCluster GkeNodePools"],
  ])("%s gives %s", (entry, names) => {
    const program = `import * as all from ${JSON.stringify(entry)}; console.log(Object.keys(all).sort().join(" "));`;
    expect(runProgram(user, program).trim()).toBe(names);
  });

  test("needs no cloud's SDK for servers of one's own, and names the missing package for a cloud", () => {
    const load = (entry: string) =>
      runProgram(metalUser, `await import(${JSON.stringify(entry)}); console.log("there");`);
    expect(load("sansproxy")).toContain("there");
    expect(load("sansproxy/bare-metal")).toContain("there");
    expect(() => load("sansproxy/eks")).toThrow("Cannot find package '@pulumi/");
    expect(() => load("sansproxy/gke")).toThrow("Cannot find package '@pulumi/gcp'");
  });

  test("has types that a strict program compiles with, and that refuse a wrong input", () => {
    const options = {
      ...{ target: "ES2022", module: "NodeNext", types: ["node"], noEmit: true, strict: true, skipLibCheck: true },
      ...{ exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, noPropertyAccessFromIndexSignature: true },
    };
    writeFileSync(join(user, "tsconfig.json"), JSON.stringify({ compilerOptions: options, files: ["consumer.ts"] }));
    writeFileSync(join(user, "package.json"), '{"type":"module"}');
    writeFileSync(
      join(user, "consumer.ts"),
      `
import * as pulumi from "@pulumi/pulumi";
import { Datapath, type DatapathArgs, type KubernetesCluster, LoadBalancerRelease, Verification } from "sansproxy";
import { BareMetalCluster, type BareMetalHostArgs } from "sansproxy/bare-metal";
import { EksCluster, type EksClusterArgs, EksNodeGroups } from "sansproxy/eks";
import { GkeCluster, type GkeClusterArgs, GkeNodePools } from "sansproxy/gke";
const config = new pulumi.Config();
const hosts: BareMetalHostArgs[] = [{ name: "cp-1", role: "control-plane", address: "192.0.2.11", hostKey: "ssh-ed25519 A" }];
const metal: KubernetesCluster = new BareMetalCluster("metal", { hosts, privateKey: config.requireSecret("key") }).cluster;
const args: DatapathArgs = { cluster: metal, engine: "cilium", loadBalancer: { algorithm: "maglev" } };
const datapath = new Datapath("datapath", args);
const values: pulumi.Output<{ [key: string]: unknown }> = datapath.effectiveValues;
new Verification("verification", { cluster: metal, effectiveValues: values });
const eksArgs: EksClusterArgs = { mode: "eni" };
const eks = new EksCluster("eks", eksArgs);
const { clusterName, nodeRoleArn, nodeSubnetIds: subnetIds } = eks;
const groups = [{ name: "default", instanceTypes: ["m6i.large"] }];
const nodes = new EksNodeGroups("nodes", { cluster: eks.cluster, clusterName, nodeRoleArn, subnetIds, datapath: datapath.releaseName, groups });
new LoadBalancerRelease("release", { cluster: nodes.cluster }, { dependsOn: [nodes] });
const gkeArgs: GkeClusterArgs = { location: "europe-west3" };
const gke = new GkeCluster("gke", gkeArgs);
new GkeNodePools("pools", { cluster: gke.cluster, clusterName: gke.clusterName, location: gke.location, pools: [{ name: "default" }] });
// @ts-expect-error a name that is no input
new GkeCluster("wrong", { location: "europe-west3", datapathProvider: "ADVANCED_DATAPATH" });
// @ts-expect-error a number where a text belongs
new EksCluster("wrong", { mode: 1 });
// @ts-expect-error no engine
new Datapath("wrong", { cluster: metal });
`,
    );
    const compiler = join(repository, "node_modules/typescript/bin/tsc");
    expect(run(user, process.execPath, compiler, "-p", ".")).toBe("");
  });
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
  expect(runProgram(metalUser, program)).toContain("declared");
});

test("brings the policy pack, compiled", () => {
  const program = `
      import { resourceRules, stackRules } from "./node_modules/sansproxy/dist/stacks/policy/rules.js";
      console.log([...resourceRules, ...stackRules].map(({ name }) => name).join(" "));`;
  expect(runProgram(user, program)).toContain("no-kube-proxy-addon");
});

test("runs its command, compiled, by the name that npm links", () => {
  expect(run(user, "npx", "--no-install", "sansproxy", "--help")).toContain("verify");
  expect(run(user, "npx", "--no-install", "sansproxy", "review", "--help")).toContain("--fail-on");
});
