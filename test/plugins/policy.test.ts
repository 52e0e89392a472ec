// SPDX-License-Identifier: Apache-2.0
// Runs the policy pack in the real engine: a stack that violates it is refused at the preview, and a sound one is not.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createStack, type Run, type Stack } from "./fixtures/stack.ts";

const root = join(import.meta.dirname, "../..");
const pack = join(root, "stacks/policy");

let stack: Stack;
beforeEach(async () => {
  stack = await createStack();
});
afterEach(() => stack[Symbol.dispose]());

const preview = (...args: string[]): Promise<Run> =>
  stack.pulumi("preview", "--stack", "local", "--policy-pack", pack, ...args);

/** A control plane made by hand, and Cilium on it; what is known only later is unknown to the policies too. */
const program = (connection: object, kubeconfigOptions: object, values: object): string => `
import * as pulumi from "@pulumi/pulumi";
import * as kubernetes from "@pulumi/kubernetes";
import { remote } from "@pulumi/command";
const connection = ${JSON.stringify({ host: "127.0.0.1", port: 9, ...connection })};
const kubeconfig = new remote.Command("kubeconfig", {
  connection, create: "cat /etc/kubernetes/admin.conf", logging: "none", addPreviousOutputInEnv: false,
}, ${JSON.stringify(kubeconfigOptions)});
const provider = new kubernetes.Provider("cluster", { kubeconfig: pulumi.secret(kubeconfig.stdout) });
new kubernetes.helm.v3.Release("cilium", {
  name: "cilium", namespace: "kube-system", chart: ${JSON.stringify(join(root, "test/components/cilium/chart"))},
  skipAwait: true,
  values: { ...${JSON.stringify(values)}, ipv4NativeRoutingCIDR: kubeconfig.stderr },
}, { provider });
`;

const soundValues = {
  kubeProxyReplacement: true,
  k8sServiceHost: "10.0.0.1",
  k8sServicePort: 6443,
  kubeProxyReplacementHealthzBindAddr: "0.0.0.0:10256",
  routingMode: "tunnel",
  tunnelProtocol: "vxlan",
  ipam: { mode: "kubernetes" },
};
const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJ";

test("a sound stack passes, unknown values and all", async () => {
  stack.write(program({ hostKey }, { additionalSecretOutputs: ["stdout", "stderr"] }, soundValues));
  const { code, output } = await preview();
  expect(output).toContain("✅ sansproxy@v0.1.0");
  expect(output).not.toContain("❌");
  expect(code).toBe(0);
});

test("a stack that violates four rules is refused before anything is made, with each remedy, as the README shows", async () => {
  stack.write(
    program({}, {}, { ...soundValues, k8sServiceHost: "", bpf: { masquerade: true }, enableIPv4Masquerade: false }),
  );
  const { code, output } = await preview();
  expect(code).not.toBe(0);
  const [, sample = ""] =
    /```console\n(Policies:\n[\s\S]*?)```/.exec(readFileSync(join(pack, "README.md"), "utf8")) ?? [];
  expect(sample.match(/\[mandatory\]/g)).toHaveLength(4);
  expect(output.replace(`(local: ${pack})`, "(local: stacks/policy)")).toContain(sample);
});

test("a rule's enforcement is the user's to configure", async () => {
  const config = join(stack.directory, "policy.json");
  stack.write(program({}, { additionalSecretOutputs: ["stdout", "stderr"] }, soundValues));
  writeFileSync(config, JSON.stringify({ "ssh-host-key": "advisory" }));
  const { code, output } = await preview("--policy-pack-config", config);
  expect(output).toContain("advisory");
  expect(output).toContain("kubeconfig logs in to host");
  expect(code).toBe(0);
});
