// SPDX-License-Identifier: Apache-2.0
// `e2e`: judges the stack by Kubernetes' own network tests.

import { join } from "node:path";
import { runInteractive } from "../host/exec.ts";
import { bringPackages } from "../host/packages.ts";
import { repository } from "../host/paths.ts";

export async function e2e(args: readonly string[]): Promise<number> {
  if (!args.some((arg) => ["--help", "-h"].includes(arg))) await bringPackages("up");
  const program = join(repository, "test/e2e/conformance/run.ts");
  return await runInteractive(process.execPath, ["--disable-warning=ExperimentalWarning", program, ...args], {
    cwd: repository,
  });
}
