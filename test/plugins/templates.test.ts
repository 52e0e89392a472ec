// SPDX-License-Identifier: Apache-2.0
// Takes each template the way of a new user: pulumi new, the package beside it, and a preview with the policy pack.
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { privateKey } from "../components/bare-metal-args.ts";
import { program } from "./fixtures/programs.ts";
import { createStack, type Stack } from "./fixtures/stack.ts";

const root = resolve(import.meta.dirname, "../..");
const templates = join(root, "stacks/templates");

let stack: Stack;
let packed = "";
beforeAll(async () => {
  stack = await createStack();
  packed = join(stack.directory, "packed");
  mkdirSync(packed);
  execFileSync("npm", ["pack", "--silent", "--pack-destination", packed], { cwd: root, stdio: "pipe" });
});
afterAll(() => stack[Symbol.dispose]());

/** What `npm install` of the packed package puts beside a project; its dependencies are linked by their names. */
const install = (project: string): void => {
  const modules = join(project, "node_modules");
  const own = join(modules, "sansproxy");
  mkdirSync(own, { recursive: true });
  const archive = readdirSync(packed).find((name) => name.endsWith(".tgz")) ?? "";
  execFileSync("tar", ["-xzf", join(packed, archive), "-C", own, "--strip-components=1"]);
  for (const name of readdirSync(join(root, "node_modules"))) {
    if (!name.startsWith(".")) symlinkSync(join(root, "node_modules", name), join(modules, name));
  }
};

const pulumi = (cwd: string, ...args: string[]): string =>
  execFileSync(program("pulumi"), [...args, "--non-interactive"], {
    cwd,
    env: stack.environment as NodeJS.ProcessEnv,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });

const project = (): string => join(stack.directory, "shop");

test("pulumi new bare-metal-typescript makes a project of its own name that type-checks", () => {
  const name = "bare-metal-typescript";
  const wanted = ["--name", "shop", "--description", "A shop", "--dir", project()];
  pulumi(stack.directory, "new", join(templates, name), "--generate-only", "--yes", ...wanted);
  expect(readFileSync(join(project(), "Pulumi.yaml"), "utf8")).toMatch(/^name: shop$/m);
  expect(readFileSync(join(project(), "Pulumi.yaml"), "utf8")).not.toMatch(/^template:/m);
  expect(JSON.parse(readFileSync(join(project(), "package.json"), "utf8"))).toMatchObject({ name: "shop" });
  expect(readdirSync(project())).toContain(".gitignore");
  install(project());
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  execFileSync(process.execPath, [compiler, "-p", "."], { cwd: project(), stdio: "pipe" });
});

test("its first preview is green, by the package's own policies too, and shows no key", () => {
  const key = join(stack.directory, "id_ed25519");
  writeFileSync(key, privateKey, { mode: 0o600 });
  pulumi(project(), "stack", "init", "trial");
  pulumi(project(), "config", "set", "sshPrivateKeyFile", key);
  const preview = pulumi(project(), "preview", "--policy-pack", "node_modules/sansproxy/stacks/policy");
  expect(preview).toContain("✅ sansproxy@v0.1.0");
  expect(preview).toMatch(/\+ \d+ to create/);
  expect(preview).not.toContain("THE-SSH-KEY");
});

test("the installed package reviews it", () => {
  const review = execFileSync(process.execPath, ["node_modules/sansproxy/agent/sansproxy.mjs", "review"], {
    cwd: project(),
    env: {
      ...(stack.environment as NodeJS.ProcessEnv),
      PATH: `${join(program("pulumi"), "..")}:${stack.environment["PATH"]}`,
    },
    encoding: "utf8",
  });
  expect(review).toContain("<!-- sansproxy-review:shop/trial -->");
});
