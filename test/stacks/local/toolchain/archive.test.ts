// SPDX-License-Identifier: Apache-2.0
// Shows that an image archive is whole, says what it should, and has the same bytes for the same content.

import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { sha256, writeImage } from "../../../../stacks/local/toolchain/archive.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sansproxy-image-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

async function tree(name: string, text: string): Promise<string> {
  const root = join(folder, name);
  await mkdir(join(root, "usr/bin"), { recursive: true });
  await writeFile(join(root, "usr/bin/thing"), text, { mode: 0o755 });
  return root;
}

test("the archive names the image, its entry point and the hash of its layer", async () => {
  const target = join(folder, "image.tar.gz");
  await writeImage(await tree("a", "one"), "example.org/thing:1", { entrypoint: ["/usr/bin/thing"] }, target);
  const out = join(folder, "out");
  await mkdir(out);
  execFileSync("tar", ["-xzf", target, "-C", out]);
  const [entry] = JSON.parse(await readFile(join(out, "manifest.json"), "utf8"));
  expect(entry.RepoTags).toEqual(["example.org/thing:1"]);
  const config = JSON.parse(await readFile(join(out, entry.Config), "utf8"));
  expect(entry.Config).toBe(`${await sha256(join(out, entry.Config))}.json`);
  expect(config.config.Entrypoint).toEqual(["/usr/bin/thing"]);
  expect(config.rootfs.diff_ids).toEqual([`sha256:${await sha256(join(out, entry.Layers[0]))}`]);
  const listing = execFileSync("tar", ["-tvf", join(out, entry.Layers[0])], { encoding: "utf8" });
  expect(listing).toMatch(/-rwxr-xr-x 0\/0\s+3 .* \.\/usr\/bin\/thing/);
});

test("the same content gives the same bytes, at any time; other content does not", async () => {
  const archive = async (name: string, text: string, mtime: number) => {
    const root = await tree(name, text);
    await utimes(join(root, "usr/bin/thing"), mtime, mtime);
    const target = join(folder, `${name}.tar.gz`);
    await writeImage(root, "example.org/thing:1", { entrypoint: [] }, target);
    return await sha256(target);
  };
  const first = await archive("a", "one", 1_000_000);
  expect(await archive("b", "one", 2_000_000)).toBe(first);
  expect(await archive("c", "two", 1_000_000)).not.toBe(first);
});

test("a failed image leaves nothing behind", async () => {
  const target = join(folder, "images/image.tar.gz");
  await expect(writeImage(join(folder, "absent"), "x:1", { entrypoint: [] }, target)).rejects.toThrow("tar");
  expect(execFileSync("ls", ["-A", join(folder, "images")], { encoding: "utf8" })).toBe("");
});
