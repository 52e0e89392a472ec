// SPDX-License-Identifier: Apache-2.0
// The repository as a stranger finds it.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { tunedVersion } from "../components/internal/cilium/modes.ts";
import { defaultMinorVersion } from "../components/internal/cloud/minor-version.ts";
import { defaultKubernetesVersion, supportedMinors } from "../components/internal/kubernetes-version.ts";

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

test("its README tells the versions that the package has", () => {
  const { dependencies, peerDependencies, engines } = JSON.parse(
    readFileSync(join(repository, "package.json"), "utf8"),
  ) as Record<"dependencies" | "peerDependencies" | "engines", Record<string, string>>;
  const readme = readFileSync(join(repository, "README.md"), "utf8");
  const [, table = ""] = /### Versions\n([\s\S]*?)\n\n[^|]/.exec(readme) ?? [];
  const pulumi = Object.entries({ ...dependencies, ...peerDependencies }).filter(([name]) =>
    name.startsWith("@pulumi/"),
  );
  const cilium = `${tunedVersion} by default`;
  const kubernetes = `1.${supportedMinors[0]} to 1.${supportedMinors.at(-1)}`;
  const defaults = `${defaultKubernetesVersion} on bare metal, ${defaultMinorVersion} in the clouds`;
  const node = `${engines["node"]?.slice(2)} or newer`;
  for (const told of [cilium, kubernetes, defaults, node, ...pulumi.flat()]) expect(table).toContain(told);
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
