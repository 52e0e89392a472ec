// SPDX-License-Identifier: Apache-2.0
// Proves that a simulated cluster ends with the process whose account it is in, however that ended.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Account } from "./account.ts";
import { endAttendant, startAttendant } from "./clusters/attendants.ts";
import { folderOf } from "./clusters/cluster.ts";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "sansproxy-cloud-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

test("a cluster whose account's owner was killed ends by itself", async () => {
  const owner = spawn("sleep", ["infinity"], { stdio: "ignore" });
  await once(owner, "spawn");
  const account = Account.make(directory, { minuteMs: 5, clusters: "api-server" }, owner.pid);
  const cluster = folderOf(account, "orphan");
  mkdirSync(cluster, { recursive: true });
  writeFileSync(join(cluster, "plan.json"), JSON.stringify({ id: "orphan" }));
  startAttendant(cluster);
  try {
    const ended = join(cluster, "attendant.ended");
    expect(existsSync(ended)).toBe(false);
    owner.kill("SIGKILL");
    await expect.poll(() => existsSync(ended)).toBe(true);
  } finally {
    owner.kill("SIGKILL");
    await endAttendant(cluster);
  }
});
