// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { environmentFile, forgetSalt } from "../../../../stacks/local/commands/workspace.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sansproxy-workspace-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("the clone's folder", () => {
  it("keeps a person's configuration and forgets the salt of a stack that is gone", async () => {
    const file = join(folder, "Pulumi.local.yaml");
    writeFileSync(file, "encryptionsalt: v1:abc=:def\nconfig:\n  sansproxy:workers: 3\n");
    await forgetSalt(file);
    expect(readFileSync(file, "utf8")).toBe("config:\n  sansproxy:workers: 3\n");
    await forgetSalt(join(folder, "missing.yaml"));
  });

  it("leaves no file behind that held nothing but such a salt", async () => {
    const file = join(folder, "Pulumi.local.yaml");
    writeFileSync(file, "encryptionsalt: v1:abc=\n");
    await forgetSalt(file);
    expect(existsSync(file)).toBe(false);
  });

  it("makes pulumi work by hand with nothing but its environment file", () => {
    const text = environmentFile();
    for (const name of ["PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE_FILE", "PULUMI_HOME", "SANSPROXY_HOME"]) {
      expect(text).toContain(`export ${name}=`);
    }
    expect(text).toContain("unset PULUMI_CONFIG_PASSPHRASE");
  });
});
