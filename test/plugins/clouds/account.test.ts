// SPDX-License-Identifier: Apache-2.0
// A simulated account is worked on by several processes at once: providers, the clusters' controllers, and a test that looks.
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { Account } from "./account.ts";

const resource = { type: "aws:ec2/vpc:Vpc", id: "vpc-1", name: "other", inputs: {}, outputs: {} };

/** What another process does: it makes the resource and takes it away, again and again. */
const OTHER = `
  const [, module, directory, resource] = process.argv;
  const { Account } = await import(module);
  const account = new Account(directory);
  const { type, id } = JSON.parse(resource);
  for (let round = 0; round < 10_000; round++) {
    account.put(JSON.parse(resource));
    account.remove(type, id);
  }
`;

test("what another process makes and takes away meanwhile is there as a whole, or is not there", async () => {
  const directory = mkdtempSync(join(tmpdir(), "sansproxy-account-"));
  try {
    const account = Account.make(directory, { minuteMs: 50, clusters: "api-server" });
    const args = ["--input-type=module", "--eval", OTHER, "--", join(import.meta.dirname, "account.ts"), directory];
    let working = true;
    const other = promisify(execFile)(process.execPath, [...args, JSON.stringify(resource)]).finally(() => {
      working = false;
    });
    const seen = new Set<string>();
    while (working) {
      for (const found of [...account.list(), account.get(resource.type, resource.id)]) {
        seen.add(JSON.stringify(found) ?? "nothing");
      }
      await turn();
    }
    await other;
    expect(seen).toEqual(new Set(["nothing", JSON.stringify(resource)]));
  } finally {
    rmSync(directory, { recursive: true });
  }
});
