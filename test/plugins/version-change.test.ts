// SPDX-License-Identifier: Apache-2.0
// Shows what the preview of another Kubernetes version says: the real engine, with the step of a host as its state has it.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type Sshd, startSshd } from "./fixtures/sshd.ts";
import { createStack, type Stack } from "./fixtures/stack.ts";

let sshd: Sshd;
let stack: Stack;

beforeAll(async () => {
  sshd = await startSshd();
});
afterAll(async () => {
  await sshd[Symbol.asyncDispose]();
});
beforeEach(async () => {
  stack = await createStack();
  // A step of that name that ended well with v1.35.2, and touched nothing.
  stack.write(`
    import { remote } from "@pulumi/command";
    const stdin = "HOST_NAME='worker-1'\\nKUBERNETES_VERSION='v1.35.2'\\n";
    new remote.Command("metal-worker-1-upgrade", { connection: ${connection()}, create: "true", stdin });
  `);
  const { code, output } = await stack.pulumi("up", "--yes", "--stack", "local", "--skip-preview");
  expect(code, output).toBe(0);
});
afterEach(() => stack[Symbol.dispose]());

const connection = () =>
  JSON.stringify({ host: "127.0.0.1", port: sshd.port, hostKey: sshd.hostKey, privateKey: sshd.privateKey });

/** What the preview says when the host is to run this version. */
async function preview(kubernetesVersion: string): Promise<{ code: number | null; output: string }> {
  const step = new URL("../../components/internal/bare-metal/upgrade.ts", import.meta.url).pathname;
  const host = { name: "worker-1", role: "worker" };
  const packageRepository = { url: "https://packages.example", keyFingerprint: "" };
  const inputs = { kubernetesVersion, packageRepository };
  const args = { what: 'BareMetalCluster "metal"', inputs, ignorePreflightErrors: [], drainSeconds: 60 };
  stack.write(`
    import { upgradeStep } from ${JSON.stringify(step)};
    const host = { host: ${JSON.stringify(host)}, connection: ${connection()}, variables: { HOST_NAME: "worker-1" } };
    upgradeStep("metal-worker-1-upgrade", host, ${JSON.stringify(args)}, {});
  `);
  const { code, output } = await stack.pulumi("preview", "--stack", "local");
  return { code, output: output.replaceAll(/\s+/g, " ") };
}

test("a newer version is told host by host, with what it means for the host", async () => {
  const { code, output } = await preview("v1.36.3");
  expect(code, output).toBe(0);
  expect(output).toContain("worker-1 goes from Kubernetes v1.35.2 to v1.36.3 in its turn: it is drained, upgraded");
});

test("an older version is refused with the remedy", async () => {
  const { code, output } = await preview("v1.35.1");
  expect(code).not.toBe(0);
  expect(output).toContain('BareMetalCluster "metal" has a wrong input: kubernetesVersion: is v1.35.1');
  expect(output).toContain("set it to v1.35.2 or a newer version");
});

test("a skipped minor version is refused with the one to take first", async () => {
  const { code, output } = await preview("v1.37.0");
  expect(code).not.toBe(0);
  expect(output).toContain("set it to a version of 1.36 first");
});

test("the same version says nothing, although the step's text is another", async () => {
  const { code, output } = await preview("v1.35.2");
  expect(code, output).toBe(0);
  expect(output).toContain("1 to update");
  expect(output).not.toContain("goes from Kubernetes");
});
