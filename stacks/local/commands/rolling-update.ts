// SPDX-License-Identifier: Apache-2.0
// `rolling-update`: replaces all Pods of a Service of the local stack while new connections are opened.

import { join } from "node:path";
import { runInteractive } from "../host/exec.ts";
import { bringPackages } from "../host/packages.ts";
import { repository } from "../host/paths.ts";
import { asksForHelp } from "./asks-for-help.ts";

export async function rollingUpdate(args: readonly string[]): Promise<number> {
  if (!asksForHelp(args)) await bringPackages("up");
  const program = join(repository, "test/e2e/rolling-update/main.ts");
  return await runInteractive(process.execPath, [program, ...args], { cwd: repository });
}
