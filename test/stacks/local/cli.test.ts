// SPDX-License-Identifier: Apache-2.0
// Shows how the command line behaves at the edges of a shell.

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repository } from "../../../stacks/local/host/paths.ts";

const cli = join(repository, "stacks/local/cli.ts");

test("a reader that closes the pipe early sees no stack trace", () => {
  const script = `"$1" --disable-warning=ExperimentalWarning "$2" status | true; echo "\${PIPESTATUS[0]}"`;
  const { stdout, stderr } = spawnSync("bash", ["-c", script, "bash", process.execPath, cli], { encoding: "utf8" });
  expect(stderr).toBe("");
  expect(stdout).toBe("0\n");
});

test.each([
  ["up", /this is user \d+: run the same command as root \(sudo npm run up\)/],
  ["down", /only root may remove: run this as root/],
])("%s by another user than root is refused in one sentence, before anything is made", (command, sentence) => {
  // A user namespace without a map: the process is nobody, as the kernel tells it, wherever the clone lies.
  const argv = ["--user", process.execPath, "--disable-warning=ExperimentalWarning", cli, command];
  const { status, stdout, stderr } = spawnSync("unshare", argv, { encoding: "utf8" });
  expect(status).toBe(1);
  expect(stdout).toBe("");
  expect(stderr.trim().split("\n")).toEqual([expect.stringMatching(sentence)]);
});
