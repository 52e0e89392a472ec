// SPDX-License-Identifier: Apache-2.0
// Shows how the command line behaves at the edges of a shell.

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repository } from "../../../stacks/local/host/paths.ts";

test("a reader that closes the pipe early sees no stack trace", () => {
  const cli = join(repository, "stacks/local/cli.ts");
  const script = `"$1" --disable-warning=ExperimentalWarning "$2" status | true; echo "\${PIPESTATUS[0]}"`;
  const { stdout, stderr } = spawnSync("bash", ["-c", script, "bash", process.execPath, cli], { encoding: "utf8" });
  expect(stderr).toBe("");
  expect(stdout).toBe("0\n");
});
