// SPDX-License-Identifier: Apache-2.0
// Shows which official programs are used, where built ones are kept, and that go.mod pins what the table says.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repository } from "../../../../stacks/local/host/paths.ts";
import { cachedPath, summary } from "../../../../stacks/local/toolchain/build.ts";
import {
  atLeast,
  neededByTests,
  neededByUp,
  type Program,
  programFor,
  programs,
} from "../../../../stacks/local/toolchain/programs.ts";

const all: Program[] = Object.values(programs);

test("an official program of exactly the Kubernetes version is used, another is not", () => {
  const usable = (program: Program, output: string) => program.check?.usable(output);
  expect(usable(programs.kubectl, "Client Version: v1.36.3\nKustomize Version: v5.8.1\n")).toBe(true);
  expect(usable(programs.kubectl, "Client Version: v1.32.4-dispatcher\n")).toBe(false);
  expect(usable(programs.kubectl, "Client Version: v1.36.30\n")).toBe(false);
  expect(usable(programs.kubelet, "Kubernetes v1.36.3\n")).toBe(true);
});

test("Pulumi and helm may be newer within their major version, not older", () => {
  expect(atLeast("3.250.0")("v3.250.0")).toBe(true);
  expect(atLeast("3.250.0")("v3.251.1")).toBe(true);
  expect(atLeast("3.250.0")("v3.249.9")).toBe(false);
  expect(atLeast("3.18.0")("v4.0.1+g1234")).toBe(false);
  expect(atLeast("3.18.0")("no version")).toBe(false);
});

test("a built program's place names its version and is its own", async () => {
  const paths = await Promise.all(all.map(cachedPath));
  expect(new Set(paths).size).toBe(all.length);
  for (const [index, program] of all.entries()) expect(paths[index]).toContain(`/${program.name}/${program.version}-`);
});

test("other flags or another version have another place", async () => {
  const { kubelet } = programs;
  const places = await Promise.all([
    cachedPath(kubelet),
    cachedPath({ ...kubelet, stamps: [] }),
    cachedPath({ ...kubelet, version: "v1.36.4" }),
  ]);
  expect(new Set(places).size).toBe(3);
});

test.each([...neededByUp, ...neededByTests])("go.mod pins %s as the table says", async (name) => {
  const program: Program = programs[name];
  const text = await readFile(join(repository, "stacks/local/toolchain/modules", program.module, "go.mod"), "utf8");
  const lines = text.split("\n").map((line) => line.replace(/^tool /, "").trim());
  const pins = lines
    .map((line) => line.split(" "))
    .flatMap(([path, version]) => (version === program.version ? path : []));
  if (program.ownSources !== true) {
    expect(lines).toContain(program.package);
    expect(pins.some((path) => program.package.startsWith(path ?? "none"))).toBe(true);
  } else {
    // A program of our own has the version of the upstream whose parts it joins.
    expect(text).toContain(`module ${program.package.slice(0, -`/${program.name}`.length)}\n`);
    expect(pins.length).toBeGreaterThan(0);
  }
});

test("sources of our own are part of a program's place", async () => {
  const { ownSources, ...withoutThem } = programs["pulumi-language-python"];
  expect(ownSources).toBe(true);
  expect(await cachedPath(withoutThem)).not.toBe(await cachedPath({ ...withoutThem, ownSources: true }));
});

test("`up` builds no kube-proxy, and no language host", () => {
  for (const name of neededByTests) expect(neededByUp).not.toContain(name);
});

test("another patch version is another stamp on the pinned sources, and an official program of it comes first", async () => {
  const [pinned, earlier] = [programFor("kubelet", "v1.36.3"), programFor("kubelet", "v1.36.2")];
  expect(pinned).toEqual(programs.kubelet);
  expect(earlier.stamps).toContain("k8s.io/component-base/version.gitVersion=v1.36.2");
  expect(earlier.check?.usable("Kubernetes v1.36.2\n")).toBe(true);
  expect(earlier.check?.usable("Kubernetes v1.36.3\n")).toBe(false);
  expect(await cachedPath(earlier)).not.toBe(await cachedPath(pinned));
  expect(programFor("etcd", "v1.36.2")).toEqual(programs.etcd);
  expect(summary([{ program: earlier, path: "/cache/kubelet", origin: "built" }])).toBe(
    "built now: kubelet v1.36.2 (stamped; sources of v1.36.3)",
  );
});

test("the summary says where each program comes from", () => {
  const text = summary([
    { program: programs.helm, path: "/usr/bin/helm", origin: "official" },
    { program: programs.etcd, path: "/cache/etcd", origin: "built" },
    { program: programs.kubectl, path: "/cache/kubectl", origin: "cached" },
  ]);
  expect(text).toBe("official: helm v3.22.0; built now: etcd v3.6.8; built earlier: kubectl v1.36.3");
});
