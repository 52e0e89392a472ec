// SPDX-License-Identifier: Apache-2.0
// Runs Prometheus' own checker, which comes with Debian's package of Prometheus.
import { spawnSync } from "node:child_process";

/** Its exit code, and all that it said. */
export function promtool(
  args: readonly string[],
  input = "",
): { readonly status: number | null; readonly said: string } {
  const { status, stdout, stderr, error } = spawnSync("promtool", args, { input, encoding: "utf8" });
  if (error)
    throw new Error(`promtool cannot be run: ${error.message}; apt-get install prometheus, or npm test -- packages`);
  return { status, said: `${stdout}${stderr}` };
}
