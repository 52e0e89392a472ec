// SPDX-License-Identifier: Apache-2.0
// Holds the copying stand-in to the official plugin's rules about paths, and its contents to the source, over real SFTP.
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Plugin } from "../fixtures/plugin.ts";
import { type ProviderClient, Resource, startProvider } from "../fixtures/resources.ts";
import { type Sshd, startSshd } from "../fixtures/sshd.ts";
import { Asset, type Dict, Secret } from "../values.ts";

let sshd: Sshd;
let plugin: Plugin<ProviderClient>;
let directory: string;

beforeAll(async () => {
  sshd = await startSshd();
  plugin = await startProvider("command", { SSH_AUTH_SOCK: "" });
});
afterAll(async () => {
  await plugin[Symbol.asyncDispose]();
  await sshd[Symbol.asyncDispose]();
});
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "sansproxy-copy-"));
  return () => rmSync(directory, { recursive: true });
});

const sha256 = (bytes: Buffer | string): string => createHash("sha256").update(bytes).digest("hex");
const hashOf = (path: string): string => sha256(readFileSync(path));
const copy = (): Resource => new Resource(plugin, "command:remote:CopyToRemote");
const inputs = (source: Asset, remotePath: string): Dict => ({
  connection: new Secret({
    host: "127.0.0.1",
    port: sshd.port,
    privateKey: sshd.privateKey,
    hostKey: sshd.hostKey,
    dialErrorLimit: 0,
  }),
  source,
  remotePath,
});
const file = (path: string): Asset => new Asset("asset", { path, hash: hashOf(path) });

describe("a file", () => {
  test("of 100 MB arrives whole, in seconds", async () => {
    const source = join(directory, "big");
    writeFileSync(source, randomBytes(100_000_000));
    const started = performance.now();
    await copy().create(inputs(file(source), join(directory, "copied")));
    const seconds = (performance.now() - started) / 1_000;
    console.log(`100 MB by SFTP in ${seconds.toFixed(1)} s`);
    expect(hashOf(join(directory, "copied"))).toBe(hashOf(source));
    expect(seconds).toBeLessThan(30);
  });

  test("goes into an existing directory, and over an existing file", async () => {
    const source = join(directory, "name");
    writeFileSync(source, "new");
    mkdirSync(join(directory, "into"));
    await copy().create(inputs(file(source), join(directory, "into")));
    expect(readFileSync(join(directory, "into/name"), "utf8")).toBe("new");
    writeFileSync(join(directory, "old"), "older and longer");
    await copy().create(inputs(file(source), join(directory, "old")));
    expect(readFileSync(join(directory, "old"), "utf8")).toBe("new");
  });

  test("may be empty", async () => {
    const source = join(directory, "empty");
    writeFileSync(source, "");
    await copy().create(inputs(file(source), join(directory, "copied")));
    expect(readFileSync(join(directory, "copied"), "utf8")).toBe("");
  });

  test("is copied again when its contents change, and only then", async () => {
    const [source, target] = [join(directory, "a"), join(directory, "b")];
    writeFileSync(source, "one");
    const state = await copy().create(inputs(file(source), target));
    expect((await copy().diff(state, inputs(file(source), target))).paths).toEqual([]);
    writeFileSync(source, "two");
    expect((await copy().diff(state, inputs(file(source), target))).paths).toEqual(["source"]);
    await copy().update(state, inputs(file(source), target));
    expect(readFileSync(target, "utf8")).toBe("two");
  });

  test("does not go into a directory that does not exist, and the error names the path", async () => {
    const source = join(directory, "a");
    writeFileSync(source, "one");
    const target = join(directory, "missing/b");
    await expect(copy().create(inputs(file(source), target))).rejects.toThrow(target);
  });
});

test("a text becomes a file", async () => {
  const text = "line\n";
  await copy().create(inputs(new Asset("asset", { text, hash: sha256(text) }), join(directory, "text")));
  expect(readFileSync(join(directory, "text"), "utf8")).toBe(text);
});

test("a directory keeps its name, with all below it; with a slash at the end only its contents are copied", async () => {
  const source = join(directory, "tree");
  mkdirSync(join(source, "below"), { recursive: true });
  writeFileSync(join(source, "below/leaf"), "leaf");
  const target = join(directory, "target");
  await copy().create(inputs(new Asset("archive", { path: source, hash: "1" }), target));
  expect(readFileSync(join(target, "tree/below/leaf"), "utf8")).toBe("leaf");
  await copy().create(inputs(new Asset("archive", { path: `${source}/`, hash: "1" }), target));
  expect(readFileSync(join(target, "below/leaf"), "utf8")).toBe("leaf");
});

test("a source that is neither a path nor a text is refused", async () => {
  const { failures } = await copy().check(inputs(new Asset("asset", { uri: "https://example.org/x" }), "/x"));
  expect(failures).toEqual(["source asset must be a path-based file asset or a text asset"]);
});

test("nothing is copied at preview", async () => {
  const source = join(directory, "a");
  writeFileSync(source, "one");
  await copy().create(inputs(file(source), join(directory, "b")), true);
  expect(() => readFileSync(join(directory, "b"))).toThrow("ENOENT");
});
