// SPDX-License-Identifier: Apache-2.0
// Shows what a person reads at the end of `up`, and that no secret is in it or in the environment file.

import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { summaryLines } from "../../../../stacks/local/commands/summary.ts";
import { environmentFile, pulumiEnvironment } from "../../../../stacks/local/commands/workspace.ts";
import { clone } from "../../../../stacks/local/host/paths.ts";

test("nodes, checks, the kubeconfig's place, three commands and the time are told", () => {
  const outputs = {
    nodes: [{ name: "cp-1", address: "10.89.0.11", role: "control-plane" }],
    kubeconfig: "client-key-data: SECRET",
    verificationTable: "ok  DNS from pod  cp-1",
  };
  const text = summaryLines(outputs, clone.kubeconfig, "3 min 12 s").join("\n");
  expect(text).toMatch(/cp-1 {2}10\.89\.0\.11 +control-plane/);
  expect(text).toContain("ok  DNS from pod  cp-1");
  expect(text).toContain("kubeconfig");
  expect(text.match(/^ {2}npm run /gm)).toHaveLength(3);
  expect(text).toContain("3 min 12 s");
  expect(text).not.toContain("SECRET");
});

test("a sourced environment file gives a shell what `up` gives Pulumi", () => {
  const script = `${environmentFile()}\nprintf '%s\\n' "$PULUMI_BACKEND_URL" "$PULUMI_HOME" "$PATH" "\${PULUMI_ACCESS_TOKEN-none}"`;
  const env = { PATH: "/usr/bin:/bin", PULUMI_ACCESS_TOKEN: "personal" };
  const [backend, home, path, token] = execFileSync("/bin/sh", ["-c", script], { env, encoding: "utf8" }).split("\n");
  expect(backend).toBe(`file://${clone.state}`);
  expect(home).toBe(clone.pulumiHome);
  expect(path).toBe(`${clone.bin}:/usr/bin:/bin`);
  expect(token).toBe("none");
});

test("a person's own Pulumi account does not decide about the local stack", () => {
  const env = pulumiEnvironment({
    PATH: "/bin",
    PULUMI_ACCESS_TOKEN: "x",
    PULUMI_CONFIG_PASSPHRASE: "y",
    HOME: "/root",
  });
  expect(env.PULUMI_ACCESS_TOKEN).toBeUndefined();
  expect(env.PULUMI_CONFIG_PASSPHRASE).toBeUndefined();
  expect(env.HOME).toBe("/root");
});
