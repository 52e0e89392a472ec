// SPDX-License-Identifier: Apache-2.0
// Shows how a stack is made usable again after an interrupted update.

import { spawn } from "node:child_process";
import { expect, test } from "vitest";
import { isHeld, processOf, withoutPending } from "../../../../stacks/local/commands/recovery.ts";
import { mendReleasesWith } from "../../../../stacks/local/commands/release-recovery.ts";

const lock = { pid: 7, username: "root", hostname: "box", timestamp: "2026-01-01T00:00:00Z" };

const made = Date.parse(lock.timestamp);

test("a lock counts while its process lives, and is stale when it is gone", () => {
  expect(isHeld(lock, "box", { program: "pulumi", startedMs: made - 1_000 })).toBe(true);
  expect(isHeld(lock, "box", undefined)).toBe(false);
});

test("a process that got the same id later, or is no Pulumi, does not hold the lock", () => {
  expect(isHeld(lock, "box", { program: "pulumi", startedMs: made + 60_000 })).toBe(false);
  expect(isHeld(lock, "box", { program: "sshd", startedMs: made - 1_000 })).toBe(false);
});

test("a process is known by its program and the moment it started", async () => {
  const before = Date.now();
  const child = spawn("/bin/sleep", ["60"]);
  const after = Date.now();
  try {
    const holder = await processOf(child.pid as number);
    await expect.poll(async () => (await processOf(child.pid as number))?.program).toBe("sleep");
    // The kernel tells the machine's own start in whole seconds.
    expect(holder?.startedMs).toBeGreaterThan(before - 2_000);
    expect(holder?.startedMs).toBeLessThan(after + 2_000);
  } finally {
    child.kill("SIGKILL");
  }
  expect(await processOf(2 ** 30)).toBeUndefined();
});

test("a lock of another box counts, for its process cannot be seen from here", () => {
  expect(isHeld(lock, "other", undefined)).toBe(true);
});

test("operations that never finished are dropped and named, and all else stays", () => {
  const exported = {
    version: 3,
    deployment: {
      manifest: { magic: "m" },
      resources: [{ urn: "urn:pulumi:local::sansproxy::t::kept" }],
      pending_operations: [{ type: "creating", resource: { urn: "urn:pulumi:local::sansproxy::t::machine-cp-1" } }],
    },
  };
  const { pending, rest } = withoutPending(JSON.stringify(exported));
  expect(pending).toEqual(["creating machine-cp-1"]);
  const { pending_operations: _, ...deployment } = exported.deployment;
  expect(JSON.parse(rest)).toEqual({ version: 3, deployment });
});

test("a stack without resources has nothing pending", () => {
  expect(withoutPending('{"version":3}').pending).toEqual([]);
});

const release = (
  operation: string,
  inputs: Record<string, unknown> = { name: "sansproxy", namespace: "kube-system" },
) => [{ type: operation, resource: { urn: "u::datapath-release", type: "kubernetes:helm.sh/v3:Release", inputs } }];

/** A helm that answers as given and tells what it was asked. */
function helmSaying(answers: Record<string, string>) {
  const asked: string[] = [];
  const helm = async (args: readonly string[]) => {
    asked.push(args.join(" "));
    const answer = answers[args[0] ?? ""];
    if (answer === undefined) throw new Error(`unexpected helm ${args.join(" ")}`);
    return answer;
  };
  return { helm, asked };
}

test("a release whose first installation was interrupted is taken away, for helm gives its name only once", async () => {
  const { helm, asked } = helmSaying({ uninstall: "" });
  await mendReleasesWith(helm, release("creating"));
  expect(asked).toEqual(["uninstall sansproxy --namespace=kube-system --ignore-not-found"]);
});

test("a release whose upgrade was interrupted goes back to what was deployed before", async () => {
  const history = JSON.stringify([
    { revision: 3, status: "superseded" },
    { revision: 4, status: "deployed" },
    { revision: 5, status: "pending-upgrade" },
  ]);
  const { helm, asked } = helmSaying({ history, rollback: "" });
  await mendReleasesWith(helm, release("updating"));
  expect(asked).toEqual([
    "history sansproxy --namespace=kube-system --output=json",
    "rollback sansproxy 4 --namespace=kube-system",
  ]);
});

test("a release that helm finished, and what is no release, stay as they are", async () => {
  const finished = helmSaying({ history: JSON.stringify([{ revision: 1, status: "deployed" }]) });
  await mendReleasesWith(finished.helm, release("updating"));
  const { helm } = helmSaying({});
  await mendReleasesWith(helm, [{ type: "creating", resource: { urn: "u::x", type: "command:local:Command" } }]);
  await mendReleasesWith(helm, release("deleting"));
  await mendReleasesWith(helm, release("creating", { name: "sansproxy" }));
});

test("a release of a cluster that does not answer stays pending, and the next run tries again", async () => {
  const unreachable = () => Promise.reject(new Error("connection refused"));
  const operations = release("creating");
  expect(await mendReleasesWith(unreachable, operations)).toEqual(operations);
  const other = { type: "creating", resource: { urn: "u::machine" } };
  const text = JSON.stringify({ deployment: { pending_operations: [other, ...operations] } });
  const { rest } = withoutPending(text, new Set(["u::datapath-release"]));
  expect(JSON.parse(rest)).toEqual({ deployment: { pending_operations: operations } });
});
