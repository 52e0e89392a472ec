// SPDX-License-Identifier: Apache-2.0
// `e2e`: judges the datapath by Kubernetes' own network tests.

import { join } from "node:path";
import { runInteractive } from "../host/exec.ts";
import { bringPackages } from "../host/packages.ts";
import { repository } from "../host/paths.ts";
import { asksForHelp } from "./asks-for-help.ts";

export async function e2e(args: readonly string[]): Promise<number> {
  if (!asksForHelp(args)) await bringPackages("up");
  const program = join(repository, "test/e2e/conformance/run.ts");
  return await runInteractive(process.execPath, ["--disable-warning=ExperimentalWarning", program, ...args], {
    cwd: repository,
  });
}
