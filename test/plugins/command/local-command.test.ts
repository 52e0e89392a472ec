// SPDX-License-Identifier: Apache-2.0
// Holds the local command stand-in to the official plugin's behaviour, with real processes.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import emptyProto from "google-protobuf/google/protobuf/empty_pb.js";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Plugin } from "../fixtures/plugin.ts";
import { type ProviderClient, Resource, startProvider } from "../fixtures/resources.ts";
import { Asset, isDict, Secret } from "../values.ts";

let plugin: Plugin<ProviderClient>;
let directory: string;

beforeAll(async () => {
  plugin = await startProvider("command");
});
afterAll(async () => {
  await plugin[Symbol.asyncDispose]();
});
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "sansproxy-local-"));
  return () => rmSync(directory, { recursive: true });
});

const command = (name = "it"): Resource => new Resource(plugin, "command:local:Command", name);

test("runs by the shell in the given directory, with its environment and stdin", async () => {
  const { outputs, id } = await command("named").create({
    create: 'echo "$WORD in $(pwd)"; cat; echo aside >&2',
    dir: directory,
    environment: { WORD: "hello" },
    stdin: "from stdin\n",
  });
  expect(outputs).toMatchObject({ stdout: `hello in ${directory}\nfrom stdin`, stderr: "aside" });
  expect(id).toMatch(/^named[0-9a-f]{8}$/);
});

test("runs by another interpreter when one is given", async () => {
  const { outputs } = await command().create({ create: "process.stdout.write('js')", interpreter: ["node", "-e"] });
  expect(outputs["stdout"]).toBe("js");
});

test("fails with the exit status, the command and its output, and without its stdin", async () => {
  const creating = command().create({ create: "cat >/dev/null; echo why; exit 7", stdin: new Secret("a-token") });
  const error: unknown = await creating.catch((reason: unknown) => reason);
  expect(String(error)).toContain('exit status 7: running "cat >/dev/null; echo why; exit 7":\nwhy');
  expect(String(error)).not.toContain("a-token");
});

test("succeeds although the command leaves its stdin unread", async () => {
  const { outputs } = await command().create({ create: "echo done", stdin: "x".repeat(1_000_000) });
  expect(outputs["stdout"]).toBe("done");
});

test("the output of the command before is in the environment of update and delete, unless that is switched off", async () => {
  const say = 'echo "before: $PULUMI_COMMAND_STDOUT"';
  const state = await command().create({ create: "echo first", update: say });
  const updated = await command().update(state, { create: "echo first", update: `${say} # changed` });
  expect(updated.outputs["stdout"]).toBe("before: first");
  const off = { create: "echo first", update: say, addPreviousOutputInEnv: false };
  expect((await command().update(state, off)).outputs["stdout"]).toBe("before: ");
  const file = join(directory, "deleted");
  await command().delete({ ...updated, outputs: { ...updated.outputs, delete: `${say} > ${file}` } });
  expect(readFileSync(file, "utf8")).toBe("before: before: first\n");
});

test("finds the files the command left, as assets and as an archive", async () => {
  mkdirSync(join(directory, "sub"));
  writeFileSync(join(directory, "sub/kept.txt"), "kept");
  const { outputs } = await command().create({
    create: "echo made > made.txt; echo no > no.txt",
    dir: directory,
    assetPaths: ["**/*.txt", "!no.txt"],
    archivePaths: ["*.txt"],
  });
  const { assets, archive } = outputs;
  expect(isDict(assets ?? null) && Object.keys(assets as object)).toEqual(["made.txt", "sub/kept.txt"]);
  expect(archive instanceof Asset && Object.keys(archive.assets ?? {})).toEqual(["made.txt", "no.txt"]);
});

test("a cancelled command and what it started are ended", async () => {
  await using own = await startProvider("command");
  const resource = new Resource(own, "command:local:Command", "long");
  const file = join(directory, "child");
  const creating = resource.create({ create: `echo started; (trap "rm ${file}" TERM; touch ${file}; sleep 300)` });
  const failed = creating.catch((reason: unknown) => String(reason));
  await expect.poll(() => existsSync(file)).toBe(true);
  await own.call(own.client.cancel, new emptyProto.Empty());
  expect(await failed).toContain("cancelled: running");
  expect(existsSync(file)).toBe(false);
});

test("a plugin that is told to stop ends its commands first", async () => {
  const own = await startProvider("command");
  const file = join(directory, "running");
  const resource = new Resource(own, "command:local:Command", "long");
  const failed = resource.create({ create: `touch ${file}; sleep 300; :` }).catch((reason: unknown) => String(reason));
  await expect.poll(() => existsSync(file)).toBe(true);
  await own[Symbol.asyncDispose]();
  expect(own.process.exitCode).toBe(0);
  await failed;
});
