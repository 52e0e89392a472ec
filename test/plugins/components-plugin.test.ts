// SPDX-License-Identifier: Apache-2.0
// The components as a plugin, the way other languages use them: the schema, and a cluster with a datapath made over gRPC.
import { appendFileSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { hostKey, privateKey } from "../components/bare-metal-args.ts";
import { schemaFile, schemaOfComponents } from "../components/plugin/generate-schema.ts";
import { createStack, type Stack } from "./fixtures/stack.ts";

const root = resolve(import.meta.dirname, "../..");
const plugin = join(root, "components/plugin");

let stack: Stack;
beforeEach(async () => {
  stack = await createStack();
});
afterEach(() => stack[Symbol.dispose]());

test("the schema is the components' own: generate it again with node test/components/plugin/generate-schema.ts && npm run format", () => {
  expect(JSON.parse(readFileSync(schemaFile, "utf8"))).toEqual(JSON.parse(schemaOfComponents()));
});

test("pulumi package get-schema reads it from the plugin", async () => {
  const { code, output } = await stack.pulumi("package", "get-schema", plugin);
  expect(code, output).toBe(0);
  const schema = JSON.parse(output.slice(output.search(/^\{/m))) as { name: string; resources: object; types: object };
  const written = JSON.parse(readFileSync(schemaFile, "utf8")) as typeof schema;
  expect(schema.name).toBe("sansproxy");
  expect(Object.keys(schema.resources).sort()).toEqual(Object.keys(written.resources).sort());
  expect(Object.keys(schema.types).sort()).toEqual(Object.keys(written.types).sort());
});

test("a cluster and its datapath are made by the plugin, what is not known yet left open, the key kept secret", async () => {
  appendFileSync(
    join(stack.directory, "project/Pulumi.yaml"),
    `plugins:\n  providers:\n    - name: sansproxy\n      path: ${plugin}\n`,
  );
  // As a generated SDK does: remote components, known by their type alone.
  stack.write(`
import * as pulumi from "@pulumi/pulumi";
const remote = (type: string, name: string, args: object, outputs: object, opts: object = {}) =>
  new pulumi.ComponentResource("sansproxy:index:" + type, name, { ...args, ...outputs }, opts, true) as any;
const hostKey = ${JSON.stringify(hostKey)};
const metal = remote("BareMetalCluster", "metal", {
  hosts: [
    { name: "cp-1", role: "control-plane", address: "192.0.2.11", hostKey },
    { name: "worker-1", role: "worker", address: "192.0.2.21", hostKey },
  ],
  privateKey: pulumi.secret(${JSON.stringify(privateKey)}),
}, { cluster: undefined, kubeconfig: undefined, nodes: undefined });
const datapath = remote("Datapath", "datapath", { cluster: metal.cluster, engine: "agent" }, { effectiveValues: undefined, releaseName: undefined }, { deletedWith: metal });
remote("Datapath", "known", { engine: "agent", cluster: {
  name: "other", platform: "bare-metal", kubernetesVersion: "v1.36.3", kubeconfig: "apiVersion: v1",
  apiServerHost: "192.0.2.11", apiServerPort: 6443, podCidrs: ["10.244.0.0/16"], serviceCidrs: ["10.96.0.0/12"], nodes: [],
  capabilities: { podCidrPerNode: true, nativeRouting: true, ownsCni: false },
} }, {});
export const kubeconfig = metal.kubeconfig;
export const values = datapath.effectiveValues;
`);
  const { code, output } = await stack.pulumi("preview", "--json", "--stack", "local");
  expect(code, output).toBe(0);
  const { steps } = JSON.parse(output.slice(output.search(/^\{/m))) as {
    steps: { urn: string; newState: { inputs?: Record<string, unknown>; dependencies?: string[] } }[];
  };
  const of = (name: string) => steps.find(({ urn }) => urn.endsWith(`::${name}`))?.newState;
  expect(of("metal-worker-1-join")).toBeDefined();
  expect(of("datapath")).toBeDefined();
  expect(output).toContain("planned when its cluster is known");
  // What is given as plain values is planned at once.
  expect(of("known-release")?.inputs?.["values"]).toMatchObject({
    kubeProxyReplacement: true,
    k8sServiceHost: "192.0.2.11",
  });
  expect(output).not.toContain("THE-SSH-KEY");
});
