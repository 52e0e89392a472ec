// SPDX-License-Identifier: Apache-2.0
// The rules as the engine calls them: inputs resource by resource, and at the end outputs, of which a preview has few.
import type {
  PolicyResource,
  ResourceValidationArgs,
  ResourceValidationPolicy,
  StackValidationArgs,
  StackValidationPolicy,
} from "@pulumi/policy";
import { expect, test } from "vitest";
import { policies } from "../../../stacks/policy/pack.ts";
import { release } from "./violations.ts";

interface Registered {
  readonly type: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  /** What the provider gave back; nothing, where its cluster does not exist yet. */
  readonly outputs: Readonly<Record<string, unknown>>;
  readonly after?: readonly string[];
}

/** What the pack says about a stack, as `rule: resource`. */
async function judged(stack: Readonly<Record<string, Registered>>): Promise<string[]> {
  const said: string[] = [];
  const pack = policies();
  const opts = { additionalSecretOutputs: [] as string[] };
  const made = new Map<string, PolicyResource>();
  for (const [name, { type, inputs, outputs, after = [] }] of Object.entries(stack)) {
    const urn = `urn:${name}`;
    for (const policy of pack) {
      const validate = (policy as ResourceValidationPolicy).validateResource;
      if (typeof validate !== "function") continue;
      const args = { urn, type, name, props: inputs, opts } as unknown as ResourceValidationArgs;
      await validate(args, () => said.push(`${policy.name}: ${name}`));
    }
    const dependencies = after.map((of) => made.get(of));
    const resource = { urn, type, name, props: outputs, opts, dependencies, propertyDependencies: {} };
    made.set(name, resource as unknown as PolicyResource);
  }
  for (const policy of pack) {
    const validate = (policy as StackValidationPolicy).validateStack;
    if (typeof validate !== "function") continue;
    const args = { resources: [...made.values()] } as unknown as StackValidationArgs;
    await validate(args, (_message, urn) => said.push(`${policy.name}: ${urn?.slice("urn:".length)}`));
  }
  return said;
}

const nodeGroup = "aws:eks/nodeGroup:NodeGroup";
const taint = { key: "node.cilium.io/agent-not-ready", value: "true", effect: "NO_EXECUTE" };
const { type, props: inputs = {} } = release();
const cilium = { type, inputs, outputs: {} };

test("nodes that wait for a datapath are not accused in the first preview, where its release has no outputs", async () => {
  const nodes = { type: nodeGroup, inputs: { taints: [taint] }, outputs: { taints: [taint] }, after: ["datapath"] };
  expect(await judged({ datapath: cilium, nodes })).toEqual([]);
});

test("nodes are judged by what was asked for: without the taint, or without a datapath, each is told of", async () => {
  const nodes = { type: nodeGroup, inputs: {}, outputs: { taints: [taint] }, after: ["datapath"] };
  expect(await judged({ datapath: cilium, nodes })).toEqual(["agent-not-ready-taint: nodes"]);
  expect(await judged({ datapath: cilium, nodes: { ...nodes, after: [] } })).toEqual(["datapath-before-nodes: nodes"]);
});
