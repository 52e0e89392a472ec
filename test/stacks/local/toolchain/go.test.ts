// SPDX-License-Identifier: Apache-2.0
// Shows which Go builds the programs, and what a person is told whose Go is too old.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repository } from "../../../../stacks/local/host/paths.ts";
import { chooseGo, goEnvironment } from "../../../../stacks/local/toolchain/go.ts";

const debian = { path: "/usr/bin/go", version: "go version go1.19.8 linux/amd64" };
const own = { path: "/usr/local/go/bin/go", version: "go version go1.21.0 linux/amd64" };

test("the first Go that can fetch the version of a go.mod is used", () => {
  expect(chooseGo("etcd", [debian, own])).toBe(own.path);
  expect(chooseGo("etcd", [{ path: "/go", version: "go version devel go1.27-0123456 linux/amd64" }])).toBe("/go");
  expect(chooseGo("etcd", [{ path: "/go", version: "go version go2.0 linux/amd64" }, own])).toBe("/go");
});

test("an old Go is refused with its version and the remedy, no Go with the remedy", () => {
  expect(() => chooseGo("etcd", [debian])).toThrow(
    /\/usr\/bin\/go says "go version go1\.19\.8.*too old: install Go 1\.21/,
  );
  expect(() => chooseGo("etcd", [])).toThrow(/etcd has to be built, but there is no Go on PATH: install Go 1\.21/);
});

test("Go may fetch the version it needs, whatever the box says", () => {
  expect(goEnvironment({ GOTOOLCHAIN: "local", HOME: "/root" })).toMatchObject({ GOTOOLCHAIN: "auto", HOME: "/root" });
});

test("our modules have names on no domain", async () => {
  const modules = join(repository, "stacks/local/toolchain/modules");
  for (const name of await readdir(modules)) {
    const [first] = (await readFile(join(modules, name, "go.mod"), "utf8")).split("\n");
    expect(first).toBe(`module sansproxy/toolchain/${name}`);
  }
});
