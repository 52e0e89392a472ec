// SPDX-License-Identifier: Apache-2.0
// Runs the toolchain's kubectl and pulumi for this clone's stack, and the project's tests, with the arguments as given.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { run, runInteractive } from "../host/exec.ts";
import { bringPackages } from "../host/packages.ts";
import { clone, repository } from "../host/paths.ts";
import { prepareWorkspace, pulumiEnvironment } from "./workspace.ts";

export async function kubectl(args: readonly string[]): Promise<number> {
  if (!existsSync(clone.kubeconfig))
    throw new Error("There is no kubeconfig yet: bring the stack up with `npm run up`.");
  const env = { ...process.env, KUBECONFIG: clone.kubeconfig };
  return await runInteractive(tool("kubectl"), args, { env });
}

export async function pulumi(args: readonly string[]): Promise<number> {
  const program = tool("pulumi");
  await prepareWorkspace();
  return await runInteractive(program, args, { cwd: repository, env: pulumiEnvironment() });
}

export async function test(args: readonly string[]): Promise<number> {
  return await runInteractive(process.execPath, [join(repository, "test/run.ts"), ...args], { cwd: repository });
}

export async function oracle(args: readonly string[]): Promise<number> {
  const program = join(repository, "test/oracle/main.ts");
  return await runInteractive(process.execPath, ["--disable-warning=ExperimentalWarning", program, ...args], {
    cwd: repository,
  });
}

/** The distribution's packages that the tests need beside those of `up`. */
export async function testPackages(): Promise<void> {
  await bringPackages("test");
}

export async function buildBpf(): Promise<number> {
  process.stdout.write(await run(process.execPath, [join(repository, "agent/shell/kernel/compile.ts")]));
  return 0;
}

function tool(name: string): string {
  const path = join(clone.bin, name);
  if (existsSync(path)) return path;
  throw new Error(`${name} is not prepared yet: run \`npm run toolchain\` (or \`npm run up\`) first.`);
}
