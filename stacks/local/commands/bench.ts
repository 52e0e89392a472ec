// SPDX-License-Identifier: Apache-2.0
// `bench`: measures this datapath beside the real kube-proxy and beside no load balancer, in network namespaces of this box.

import { join } from "node:path";
import { runInteractive } from "../host/exec.ts";
import { bringPackages } from "../host/packages.ts";
import { repository } from "../host/paths.ts";
import { asksForHelp } from "./asks-for-help.ts";

export async function bench(args: readonly string[]): Promise<number> {
  if (!asksForHelp(args)) await bringPackages("test");
  const program = join(repository, "test/bench/run.ts");
  return await runInteractive(process.execPath, ["--disable-warning=ExperimentalWarning", program, ...args], {
    cwd: repository,
  });
}
