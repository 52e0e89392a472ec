// SPDX-License-Identifier: Apache-2.0
// `fuzz`: damaged packets through the BPF programs in network namespaces of this box, each verdict held against a model.

import { join } from "node:path";
import { runInteractive } from "../host/exec.ts";
import { bringPackages } from "../host/packages.ts";
import { repository } from "../host/paths.ts";
import { asksForHelp } from "./asks-for-help.ts";

export async function fuzz(args: readonly string[]): Promise<number> {
  if (!asksForHelp(args)) await bringPackages("test");
  return await runInteractive(process.execPath, [join(repository, "test/fuzz/main.ts"), ...args], { cwd: repository });
}
