// SPDX-License-Identifier: Apache-2.0
// Every rule finds the stack that violates it and is quiet about the same stack put right, and about our components.
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { BareMetalCluster, Datapath, Verification } from "../../../components/index.ts";
import { eksStack } from "../../../stacks/eks/program.ts";
import { gkeStack } from "../../../stacks/gke/program.ts";
import { multiCloudStack } from "../../../stacks/multi-cloud/program.ts";
import { resourceRules, stackRules } from "../../../stacks/policy/rules.ts";
import { args } from "../../components/bare-metal-args.ts";
import { recordProgram } from "../../components/recorded-program.ts";
import { judge, recordedStack, stackOf } from "./stack.ts";
import { cases } from "./violations.ts";

const root = resolve(import.meta.dirname, "../../..");

describe("each rule", () => {
  test.each(cases.map((of) => [`${of.rule}: ${of.what}`, of] as const))(
    "%s",
    (_title, { rule, violating, says, fine }) => {
      const found = judge(stackOf(violating)).filter((message) => message.startsWith(`${rule}: `));
      expect(found.join("\n")).toContain(says);
      expect(judge(stackOf(fine)).filter((message) => message.startsWith(`${rule}: `))).toEqual([]);
    },
  );

  test("is violated by a stack of its own, and has a remedy that is a sentence", () => {
    const rules = [...resourceRules, ...stackRules];
    expect(new Set(cases.map(({ rule }) => rule))).toEqual(new Set(rules.map(({ name }) => name)));
    for (const { remedy, description } of rules) {
      expect(remedy).toMatch(/^[A-Z].*\.$/);
      expect(description).toMatch(/^.*\.$/);
    }
  });
});

describe("what this package makes itself", () => {
  test.each(["agent", "cilium"])("violates nothing: bare metal with the engine %s", async (engine) => {
    const { resources } = await recordProgram(() => {
      const { cluster } = new BareMetalCluster("metal", args());
      const datapath = new Datapath("datapath", { cluster, engine });
      new Verification(
        "verification",
        { cluster, effectiveValues: datapath.effectiveValues },
        { dependsOn: [datapath] },
      );
    });
    expect(judge(recordedStack(resources))).toEqual([]);
  });

  test.each(["eni", "chaining", "overlay", "agent"])("violates nothing: the EKS stack in mode %s", async (mode) => {
    const settings = { cluster: { mode }, groups: [{ name: "default" }, { name: "batch" }], datapath: {} };
    const { resources } = await recordProgram(() => eksStack("eks", settings));
    expect(judge(recordedStack(resources))).toEqual([]);
  });

  test("is seen through: EKS nodes whose datapath, or whose taint, is taken away", async () => {
    const settings = { cluster: { mode: "eni" }, groups: [{ name: "default" }], datapath: {} };
    const { resources } = await recordProgram(() => eksStack("eks", settings));
    const without = new Map([...resources].filter(([name]) => name !== "eks-datapath-release"));
    expect(judge(recordedStack(without)).join("\n")).toContain("datapath-before-nodes: eks-nodes-default");
    const untainted = recordedStack(resources);
    for (const { name, props } of untainted)
      if (name === "eks-nodes-default") delete (props as { taints?: unknown }).taints;
    expect(judge(untainted).join("\n")).toContain("agent-not-ready-taint: eks-nodes-default");
  });

  const location = "europe-west3";
  const pools = [{ name: "default" }];

  test("violates nothing: the GKE stack with Dataplane V2", async () => {
    const { resources } = await recordProgram(() => gkeStack("gke", { cluster: { location }, pools, datapath: {} }));
    expect(judge(recordedStack(resources))).toEqual([]);
  });

  test.each(["cilium", "agent"])(
    "violates on self-managed GKE with the engine %s only the rule that says Google does not support it",
    async (engine) => {
      const cluster = { location, mode: "self-managed" };
      const { resources } = await recordProgram(() => gkeStack("gke", { cluster, pools, datapath: { engine } }));
      const messages = judge(recordedStack(resources));
      expect(messages).toEqual([expect.stringMatching(/^gke-dataplane-v2: gke-cluster /)]);
    },
  );

  test.each(["agent", "cilium"])("violates nothing: the multi-cloud stack with the engine %s", async (engine) => {
    const datapath = { engine };
    const mode = engine === "agent" ? "agent" : "eni";
    const { resources } = await recordProgram(() =>
      multiCloudStack({
        eks: { cluster: { mode }, groups: [{ name: "default" }], datapath },
        gke: { cluster: { location }, pools, datapath },
        bareMetal: { cluster: args(), datapath },
      }),
    );
    expect(judge(recordedStack(resources))).toEqual([]);
  });

  test.each([
    ["disabled: true", "disabled: false", "proxy.disabled is not true"],
    ["- addon/kube-proxy", "- addon/coredns", "InitConfiguration whose skipPhases"],
  ])("is seen through: kubeadm's configuration in the script, with %s turned into %s", async (from, to, says) => {
    const { resources } = await recordProgram(() => void new BareMetalCluster("metal", args()));
    const stack = recordedStack(resources).map((resource) => ({
      ...resource,
      props: { ...resource.props, stdin: String(resource.props["stdin"]).replaceAll(from, to) },
    }));
    expect(judge(stack).join("\n")).toContain(says);
  });

  test("is seen through: a host whose key is ignored is told of all the same", async () => {
    const hosts = args().hosts.map(({ hostKey: _key, ...host }) => ({ ...host, insecureIgnoreHostKey: true }));
    const { resources } = await recordProgram(() => void new BareMetalCluster("metal", args({ hosts })));
    const messages = judge(recordedStack(resources));
    expect(messages.length).toBeGreaterThan(0);
    expect(messages.every((message) => message.startsWith("ssh-host-key: "))).toBe(true);
  });

  test.each(readdirSync(join(root, "test/components/cilium/golden")))(
    "violates nothing: Cilium's values of %s",
    (file) => {
      const values = parse(readFileSync(join(root, "test/components/cilium/golden", file), "utf8")) as object;
      const props = { name: "cilium", chart: "cilium", version: "1.20.0", skipAwait: true, values };
      expect(judge(stackOf({ it: { type: "kubernetes:helm.sh/v3:Release", props: props as never } }))).toEqual([]);
    },
  );
});

test("the pack has the version of the package", () => {
  const version = (path: string): string =>
    (JSON.parse(readFileSync(join(root, path), "utf8")) as { version: string }).version;
  expect(version("stacks/policy/package.json")).toBe(version("package.json"));
});
