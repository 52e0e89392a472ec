// SPDX-License-Identifier: Apache-2.0
// Installs Cilium's stand-in chart with the real engine and a real API server, on a cluster whose address comes late.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parse } from "yaml";
import { type ApiServer, startApiServer } from "./fixtures/api-server.ts";
import { createStack, type Run, type Stack } from "./fixtures/stack.ts";

const root = join(import.meta.dirname, "../..");
const cilium = join(root, "test/components/cilium");
const golden = (name: string): Record<string, unknown> =>
  parse(readFileSync(join(cilium, "golden", `${name}.yaml`), "utf8"));

let api: ApiServer;
let stack: Stack;

beforeEach(async () => {
  api = await startApiServer();
  stack = await createStack();
});
afterEach(async () => {
  stack[Symbol.dispose]();
  await api[Symbol.asyncDispose]();
});

const succeed = async (run: Promise<Run>): Promise<string> => {
  const { code, output } = await run;
  if (code !== 0) throw new Error(`pulumi ended with ${code}:\n${output}`);
  return output;
};
const up = (...args: string[]): Promise<string> => succeed(stack.pulumi("up", "--yes", "--stack", "local", ...args));
const recorded = (): Record<string, unknown> =>
  JSON.parse(
    api.kubectl(
      "get",
      "configmap",
      "recorded-values",
      "--namespace=kube-system",
      "--output=jsonpath={.data.values\\.json}",
    ),
  );

/** As EksCluster: the API server's host is known when the control plane exists, and not in a preview before. */
const program = (options: string): string => `
import * as pulumi from "@pulumi/pulumi";
import { local } from "@pulumi/command";
import { Datapath } from ${JSON.stringify(join(root, "components/index.ts"))};
const controlPlane = new local.Command("control-plane", { create: "printf host.example.com", logging: "none" });
const datapath = new Datapath("datapath", {
  cluster: {
    name: "eks", platform: "eks", kubernetesVersion: "v1.36.3",
    kubeconfig: controlPlane.stdout.apply(() => ${JSON.stringify(api.kubeconfig)}),
    apiServerHost: controlPlane.stdout, apiServerPort: 443,
    podCidrs: ["10.20.0.0/16"], serviceCidrs: controlPlane.stdout.apply(() => ["172.20.0.0/16"]), nodes: [],
    capabilities: { podCidrPerNode: false, nativeRouting: false, ownsCni: false },
  },
  engine: "cilium",
  chartSource: ${JSON.stringify(join(cilium, "chart"))},
  ${options}
});
export const effectiveValues = datapath.effectiveValues;
export const predictedMapMemoryMib = datapath.predictedMapMemoryMib;
`;

test("Cilium's values reach its chart exactly, are left alone, changed, and taken away", async () => {
  stack.write(program(""));
  const preview = await succeed(stack.pulumi("preview", "--stack", "local", "--diff"));
  expect(preview).toContain("Cilium's maps take about");
  expect(preview).toMatch(/k8sServiceHostRef\s*:/);
  expect(preview).toMatch(/mode\s*: "eni"/);

  await up();
  expect(recorded()).toEqual(golden("eks-eni"));
  expect(
    api.kubectl("get", "configmap", "cilium-api-server", "--namespace=kube-system", "--output=jsonpath={.data.host}"),
  ).toBe("host.example.com");
  await up("--expect-no-changes");

  stack.write(program('mode: "overlay", expected: { services: 5000, endpoints: 100000 },'));
  await up();
  expect(recorded()).toMatchObject({ ipam: { mode: "cluster-pool" }, bpf: { lbMapMax: 262144, masquerade: true } });
  expect(recorded()).not.toHaveProperty("eni");

  await succeed(stack.pulumi("destroy", "--yes", "--stack", "local"));
  expect(api.kubectl("get", "configmaps", "--namespace=kube-system", "--output=name")).not.toMatch(/recorded|cilium/);
});

test("a wrong value stops the preview, before there is a cluster", async () => {
  stack.write(program("bpf: { masquerade: true }, helmValues: { k8sServicehost: 'x' },"));
  const { code, output } = await stack.pulumi("preview", "--stack", "local");
  expect(code).not.toBe(0);
  expect(output).toContain("bpf.masquerade");
  expect(output).toContain('did you mean "k8sServiceHost"?');
});
