// SPDX-License-Identifier: Apache-2.0
// The repository as a stranger finds it.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";

const repository = resolve(import.meta.dirname, "..");
const files = execFileSync("git", ["ls-files", "-z"], { cwd: repository, encoding: "utf8" })
  .split("\0")
  .filter(Boolean);

test("its top level holds the parts of the program and nothing else that shows", () => {
  const visible = new Set(files.map((file) => file.split("/")[0]).filter((name) => !name?.startsWith(".")));
  expect([...visible].sort()).toEqual(
    [
      ...["agent", "bpf", "components", "stacks", "test"],
      ...["CHANGELOG.md", "LICENSE", "Pulumi.yaml", "README.md"],
      ...["package-lock.json", "package.json", "tsconfig.build.json", "tsconfig.json"],
    ].sort(),
  );
});

test("no source file is longer than 400 lines", () => {
  const sources = files.filter((file) => /\.(ts|mjs|c|h|sh|py|go)$/.test(file));
  const long = sources.filter((file) => readFileSync(join(repository, file), "utf8").split("\n").length > 401);
  expect(long).toEqual([]);
});

test("the lock file pins every package by its hash and records no registry", () => {
  const lock = JSON.parse(readFileSync(join(repository, "package-lock.json"), "utf8")) as {
    packages: Record<string, { integrity?: string; resolved?: string; link?: boolean; inBundle?: boolean }>;
  };
  const packages = Object.entries(lock.packages).filter(([path, entry]) => path !== "" && !entry.link);
  expect(packages.length).toBeGreaterThan(100);
  expect(packages.filter(([, entry]) => entry.resolved !== undefined).map(([path]) => path)).toEqual([]);
  expect(packages.filter(([, entry]) => !entry.integrity && !entry.inBundle).map(([path]) => path)).toEqual([]);
});
