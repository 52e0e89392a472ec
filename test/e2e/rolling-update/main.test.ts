// SPDX-License-Identifier: Apache-2.0
// The command as a process, with a kubectl that only notes what it is asked: what it leaves behind, and what it waits for.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { until } from "../../../stacks/local/host/progress.ts";

const program = join(import.meta.dirname, "main.ts");
let home: string;
let command: ChildProcess | undefined;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "sansproxy-rolling-update-test-"));
  mkdirSync(join(home, "bin"));
  writeFileSync(join(home, "kubeconfig"), "");
});
afterEach(async () => {
  if (command?.exitCode === null && command.signalCode === null) {
    command.kill("SIGKILL");
    await once(command, "close");
  }
  rmSync(home, { recursive: true });
});

/** A kubectl that notes each call in a line, and then does what `script` says. */
function kubectl(script: string): void {
  const note = `shift 2; echo "$*" >> '${home}/asked'`;
  writeFileSync(join(home, "bin/kubectl"), `#!/bin/sh\n${note}\n${script}\n`, { mode: 0o755 });
}

const asked = (): string[] =>
  existsSync(join(home, "asked")) ? readFileSync(join(home, "asked"), "utf8").trim().split("\n") : [];

function start(...args: string[]): ChildProcess {
  command = spawn(process.execPath, [program, ...args], {
    env: { ...process.env, SANSPROXY_HOME: home },
    stdio: ["ignore", "ignore", "pipe"],
  });
  return command;
}

const askedFor = (pattern: RegExp) =>
  until(`kubectl is asked for ${pattern}`, 60_000, async () => asked().some((line) => pattern.test(line)) || undefined);

async function outcome(child: ChildProcess): Promise<{ code: number | null; said: string }> {
  let said = "";
  child.stderr?.on("data", (chunk) => {
    said += chunk;
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, said };
}

test("begins once the namespace of an earlier run is gone, not while it is on its way out", async () => {
  kubectl(`case "$*" in
    "wait --for=delete"*) while [ ! -e '${home}/gone' ]; do sleep 0.05; done;;
    apply*) [ -e '${home}/gone' ] || echo early >> '${home}/asked'; echo "no more" >&2; exit 1;;
  esac`);
  const ended = outcome(start());
  await askedFor(/^wait --for=delete namespace\/rolling-update/);
  expect(asked().some((line) => line.startsWith("apply"))).toBe(false);
  writeFileSync(join(home, "gone"), "");
  expect(await ended).toMatchObject({ code: 1, said: expect.stringContaining("no more") });
  expect(asked()).not.toContain("early");
});

test.each(["SIGINT", "SIGTERM"] as const)("removes its namespace when it is ended by %s", async (signal) => {
  kubectl(`case "$*" in *"rollout status"*) exec sleep 600;; esac`);
  const child = start();
  const ended = outcome(child);
  await askedFor(/rollout status/);
  child.kill(signal);
  expect(await ended).toMatchObject({ code: 130, said: expect.stringContaining("interrupted") });
  expect(asked().at(-1)).toMatch(/^delete namespace rolling-update/);
});

test("ends the connections and removes its namespace when it is interrupted while Pods are replaced", async () => {
  kubectl(`case "$*" in
    *"get service"*) echo '{"spec":{"clusterIP":"127.0.0.1","ports":[{"port":9,"nodePort":9}]}}';;
    *"get nodes"*) echo '{"items":[{"status":{"addresses":[{"type":"InternalIP","address":"127.0.0.1"}]}}]}';;
    *"/load 1 "*) exec cat;;
    *"rollout restart"*) exec sleep 600;;
  esac`);
  const child = start("--rate", "3");
  const ended = outcome(child);
  await askedFor(/rollout restart/);
  await expect.poll(() => asked().filter((line) => line.includes("/load 1 "))).toHaveLength(2);
  child.kill("SIGINT");
  expect(await ended).toMatchObject({ code: 130 });
  expect(asked().at(-1)).toMatch(/^delete namespace rolling-update/);
});

test("leaves its namespace where it was told to keep it, also when it is interrupted", async () => {
  kubectl(`case "$*" in *"rollout status"*) exec sleep 600;; esac`);
  const child = start("--keep");
  const ended = outcome(child);
  await askedFor(/rollout status/);
  child.kill("SIGINT");
  expect(await ended).toMatchObject({ code: 130 });
  expect(asked().at(-1)).toMatch(/rollout status/);
});
