// SPDX-License-Identifier: Apache-2.0
// Shows what a user reads when a cluster's host cannot be used: the real engine, a real SSH server, one clear sentence.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { takeAddress } from "./fixtures/own-address.ts";
import { type Sshd, startSshd } from "./fixtures/sshd.ts";
import { createStack, type Stack } from "./fixtures/stack.ts";

const own = takeAddress();
let sshd: Sshd;
let stack: Stack;

beforeAll(async () => {
  sshd = await startSshd(own.address);
});
afterAll(async () => {
  await sshd?.[Symbol.asyncDispose]();
  own[Symbol.dispose]();
});
beforeEach(async () => {
  stack = await createStack();
});
afterEach(() => stack[Symbol.dispose]());

const components = new URL("../../components/index.ts", import.meta.url).pathname;

/** What an update of a cluster with this one host prints; it has to fail. */
async function failedUpdate(host: Record<string, unknown>, privateKey = sshd.privateKey): Promise<string> {
  const args = { hosts: [{ name: "cp-1", role: "control-plane", address: own.address, ...host }], privateKey };
  stack.write(`
    import { BareMetalCluster } from ${JSON.stringify(components)};
    new BareMetalCluster("metal", ${JSON.stringify(args)});
  `);
  const { code, output } = await stack.pulumi("up", "--yes", "--stack", "local", "--skip-preview");
  expect(code).not.toBe(0);
  expect(output).not.toContain("PRIVATE KEY");
  return output.replaceAll(/\s+/g, " ");
}

test("a host that shows another key than the expected one is not used, and the sentence says what to compare", async () => {
  const output = await failedUpdate({ port: sshd.port, hostKey: sshd.otherHostKey });
  expect(output).toContain(
    `The host "cp-1" at ${own.address} shows another host key than hosts[].hostKey of "cp-1" says`,
  );
});

test("a key that the host does not know is told with the user it was tried for", async () => {
  const output = await failedUpdate({ port: sshd.port, hostKey: sshd.hostKey }, sshd.strangeKey);
  expect(output).toContain(`The host "cp-1" at ${own.address} refuses the private key for user "root"`);
});

test("a host that does not answer is told with its port", async () => {
  const output = await failedUpdate({ port: 1, hostKey: sshd.hostKey });
  expect(output).toContain(`The host "cp-1" at ${own.address} does not answer SSH on port 1.`);
});
