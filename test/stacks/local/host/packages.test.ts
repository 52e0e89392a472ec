// SPDX-License-Identifier: Apache-2.0
// Shows which Debian packages are wanted, and that installing them for the tests starts no service on the box.

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { withoutServices } from "../../../../stacks/local/host/no-service.ts";
import { missingPackages, requireInstalled } from "../../../../stacks/local/host/packages.ts";

let folder = "";
let policy = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sansproxy-policy-"));
  policy = join(folder, "policy-rc.d");
});
afterEach(() => rmSync(folder, { recursive: true }));

test("only packages whose programs are missing are wanted", () => {
  expect(missingPackages("up", () => true)).toEqual([]);
  expect(missingPackages("up", (file) => file !== "/usr/bin/buildah")).toEqual(["buildah"]);
});

test("the tests want the programs that they call beside those of `up`", () => {
  const wanted = missingPackages("test", () => false);
  for (const name of ["clang-format-16", "shellcheck", "curl", "openssl", "procps", "openssh-server", "prometheus"]) {
    expect(wanted).toContain(name);
  }
});

test("a program that is not there after its installation is an error with the remedy", () => {
  expect(() => requireInstalled([])).not.toThrow();
  expect(() => requireInstalled(["curl"])).toThrow(/installed curl.*not where.*dpkg --listfiles curl/);
});

test("during the installation Debian may start any service but the unwanted one, and after it any", async () => {
  const allowed = (...args: string[]) => {
    try {
      execFileSync(policy, args);
      return true;
    } catch (error) {
      expect((error as { status: number }).status).toBe(101);
      return false;
    }
  };
  await withoutServices(
    ["ssh"],
    async () => {
      expect(statSync(policy).mode & 0o777).toBe(0o755);
      expect(allowed("ssh", "start")).toBe(false);
      expect(allowed("--quiet", "ssh.service", "start", "5")).toBe(false);
      expect(allowed("nftables.service", "start")).toBe(true);
    },
    policy,
  );
  expect(existsSync(policy)).toBe(false);
});

test("the policy goes also when the installation fails, and that of the box stays as it was", async () => {
  await expect(withoutServices(["ssh"], () => Promise.reject(new Error("no disk")), policy)).rejects.toThrow("no disk");
  expect(existsSync(policy)).toBe(false);
  writeFileSync(policy, "#!/bin/sh\nexit 101\n");
  await withoutServices(["ssh"], async () => undefined, policy);
  expect(readFileSync(policy, "utf8")).toBe("#!/bin/sh\nexit 101\n");
});
