// SPDX-License-Identifier: Apache-2.0
// `clouds`: the cloud stacks on simulated accounts, most of them with real machines of this box: what takes too long for `npm test`.

import { join } from "node:path";
import { runInteractive } from "../host/exec.ts";
import { repository } from "../host/paths.ts";
import { neededByTests } from "../toolchain/programs.ts";
import { prepare } from "./up.ts";

/** The arguments choose test files by a part of their name; without any, all run. */
export async function clouds(args: readonly string[]): Promise<number> {
  await prepare([], neededByTests);
  const vitest = join(repository, "node_modules/vitest/vitest.mjs");
  const all = ["run", "--config=test/vitest.config.ts", "--project=clouds-long", ...args];
  return await runInteractive(process.execPath, [vitest, ...all], { cwd: repository });
}
