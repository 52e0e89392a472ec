// SPDX-License-Identifier: Apache-2.0
// Shows that the kubeconfig is written as soon as the cluster has one, for its owner only, and never by a preview.

import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { afterEach, beforeEach, expect, test } from "vitest";
import { keepKubeconfig, writeKubeconfig } from "../../../stacks/local/kubeconfig-file.ts";
import { localStack } from "../../../stacks/local/program.ts";
import { readSettings } from "../../../stacks/local/settings.ts";
import { hostKey, makeBundle, privateKey } from "../../components/bare-metal-args.ts";
import { adminKubeconfig, recordProgram, settled } from "../../components/recorded-program.ts";

let folder = "";
let file = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sansproxy-kubeconfig-"));
  file = join(folder, "kubeconfig");
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Runs the local stack's program against a recording engine. */
async function runProgram(preview: boolean) {
  const bundlePath = makeBundle();
  const preparations = { privateKey, authorizedKey: hostKey, bundlePath, agentTag: "0.1.0-abc" };
  try {
    pulumi.runtime.setAllConfig({});
    const settings = readSettings(new pulumi.Config("sansproxy"));
    const ran = await recordProgram(() => localStack("local", settings, preparations, file), preview);
    if (!preview) await expect.poll(() => existsSync(file)).toBe(true);
    return ran;
  } finally {
    rmSync(bundlePath, { recursive: true });
  }
}

test("an update writes the cluster's kubeconfig, before and whatever the verification says", async () => {
  const { result } = await runProgram(false);
  expect(readFileSync(file, "utf8")).toBe(await settled(result["kubeconfig"] as pulumi.Output<string>));
  expect(readFileSync(file, "utf8")).toContain("kubernetes-admin");
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

test("a preview writes nothing, not even what is known already", async () => {
  await runProgram(true);
  await settled(keepKubeconfig(file, pulumi.output(pulumi.secret(adminKubeconfig))) as pulumi.Output<unknown>);
  expect(readdirSync(folder)).toEqual([]);
});

test("what `up` shows at its end is among the outputs without a secret", async () => {
  const { result } = await runProgram(false);
  for (const name of ["nodes", "verificationTable"]) {
    expect(await pulumi.isSecret(result[name] as pulumi.Output<unknown>), name).toBe(false);
  }
});

test("a file that others could read is replaced by one that they cannot, and nothing else is left", async () => {
  writeFileSync(file, "old");
  chmodSync(file, 0o644);
  await writeKubeconfig(file, "new");
  expect(readFileSync(file, "utf8")).toBe("new");
  expect(statSync(file).mode & 0o777).toBe(0o600);
  await writeKubeconfig(file, "new");
  expect(readdirSync(folder)).toEqual(["kubeconfig"]);
});

test("a folder that cannot be written is named, the kubeconfig is not told", async () => {
  const missing = join(folder, "none", "kubeconfig");
  const failure = await writeKubeconfig(missing, "client-key-data: SECRET").then(String, String);
  expect(failure).toContain(missing);
  expect(failure).toContain("npm run up");
  expect(failure).not.toContain("SECRET");
});
