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
  ["up", /--preview/],
  ["down", /--purge-cache/],
  ["toolchain", /--tests/],
  ["e2e", /Kubernetes/],
  ["bench", /--quick/],
  ["oracle", /--replay <file>/],
  ["fuzz", /--seed <s>/],
  ["rolling-update", /--rate/],
  ["clouds", /multi-cloud/],
  ["test", /unit +agent, components and stacks/],
])("%s explains its own arguments, and prepares nothing for that", (command, option) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, command, "--help"], {
    encoding: "utf8",
    // Without these, bringing a package would fail.
    env: { PATH: "/nonexistent" },
  });
  expect({ status, stderr: stderr.replaceAll(/^.*ExperimentalWarning.*\n.*\n/gm, "") }).toEqual({
    status: 0,
    stderr: "",
  });
  expect(stdout).toMatch(option);
});

test("a run on simulated clouds that does not exist is refused before anything is prepared", () => {
  const { status, stderr } = spawnSync(process.execPath, [cli, "clouds", "gke-agnet"], { encoding: "utf8" });
  expect(status).toBe(1);
  expect(stderr).toMatch(/There is no run "gke-agnet": choose from .*gke-agent/);
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
