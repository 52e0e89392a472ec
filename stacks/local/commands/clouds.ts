// SPDX-License-Identifier: Apache-2.0
// `clouds`: the cloud stacks on simulated accounts, most of them with real machines of this box: what takes too long for `npm test`.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { runInteractive } from "../host/exec.ts";
import { repository } from "../host/paths.ts";
import { neededByTests } from "../toolchain/programs.ts";
import { prepare } from "./up.ts";

const folder = "test/clouds/long";

/** The names by which a run can be chosen. */
export const cloudRuns: readonly string[] = readdirSync(join(repository, folder))
  .filter((file) => file.endsWith(".test.ts"))
  .map((file) => file.slice(0, -".test.ts".length))
  .sort();

/** Without a name, all run; options are the test runner's. */
export async function clouds(args: readonly string[]): Promise<number> {
  const unknown = args.find((arg) => !arg.startsWith("-") && !cloudRuns.includes(arg));
  if (unknown !== undefined) throw new Error(`There is no run "${unknown}": choose from ${cloudRuns.join(", ")}.`);
  await prepare([], neededByTests);
  const vitest = join(repository, "node_modules/vitest/vitest.mjs");
  const all = ["run", "--config=test/vitest.config.ts", "--project=clouds-long", ...args];
  return await runInteractive(process.execPath, [vitest, ...all], { cwd: repository });
}
