// SPDX-License-Identifier: Apache-2.0
// Steps on a simulated cloud's machines, as the shell of an SSH server runs them.
import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { stepCommand } from "./clusters/machines.ts";

/** A first shell of sshd's, which has a client and no outer shell. */
const overSsh = (script: string) =>
  spawnSync("bash", ["-c", stepCommand(script)], {
    encoding: "utf8",
    env: { PATH: process.env["PATH"], HOME: "/nonexistent", SSH_CLIENT: "192.0.2.1 40000 22" },
  });

test("a step with nothing to do is done", () => {
  expect(overSsh("")).toMatchObject({ status: 0, stdout: "", stderr: "" });
});

test("a step that fails is told by its own words alone", () => {
  expect(overSsh("echo no route >&2; false; echo never")).toMatchObject({
    status: 1,
    stdout: "",
    stderr: "no route\n",
  });
});
