// SPDX-License-Identifier: Apache-2.0
// Writes container images as docker-archives with one layer, the same bytes for the same content.

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { run } from "../host/exec.ts";

export interface ImageConfig {
  readonly entrypoint: readonly string[];
  readonly command?: readonly string[];
  readonly user?: string;
}

const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/** One moment for all files and images, so that equal content gives equal archives. */
const epoch = "1970-01-01T00:00:00Z";
const tarFlags = ["--sort=name", "--mtime=@0", "--numeric-owner", "--format=gnu"];

/** Packs a folder as the only layer of an image; the archive appears at `target` when it is whole. */
export async function writeImage(tree: string, name: string, config: ImageConfig, target: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  const stage = await mkdtemp(`${target}.building-`);
  try {
    const layer = join(stage, "layer.tar");
    await tar(tree, ["."], layer, ["--owner=0", "--group=0"]);
    const description = JSON.stringify(imageDescription(config, await sha256(layer)));
    const configFile = `${createHash("sha256").update(description).digest("hex")}.json`;
    await writeFile(join(stage, configFile), description);
    const manifest = [{ Config: configFile, RepoTags: [name], Layers: ["layer.tar"] }];
    await writeFile(join(stage, "manifest.json"), JSON.stringify(manifest));
    const whole = join(stage, "image.tar");
    await tar(stage, ["manifest.json", configFile, "layer.tar"], whole, ["--owner=0", "--group=0"]);
    await compress(whole);
    await rename(`${whole}.gz`, target);
  } finally {
    await rm(stage, { recursive: true, force: true });
  }
}

/** Compresses a file in place, fast rather than small: it travels over a bridge, not over the Internet. */
export async function compress(file: string): Promise<void> {
  await run("gzip", ["--fast", "--no-name", "--force", file]);
}

/** Writes a tar whose bytes depend only on the files' names, modes and content. */
export async function tar(folder: string, names: readonly string[], target: string, more: readonly string[] = []) {
  await run("tar", [...tarFlags, ...more, "-C", folder, "-cf", target, ...names]);
}

/** The image configuration that a container runtime reads. */
function imageDescription(config: ImageConfig, layerSha256: string): object {
  return {
    architecture: "amd64",
    os: "linux",
    created: epoch,
    config: {
      Env: [`PATH=${searchPath}`],
      Entrypoint: config.entrypoint,
      ...(config.command === undefined ? {} : { Cmd: config.command }),
      ...(config.user === undefined ? {} : { User: config.user }),
    },
    rootfs: { type: "layers", diff_ids: [`sha256:${layerSha256}`] },
    history: [{ created: epoch, created_by: "sansproxy toolchain" }],
  };
}

export async function sha256(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const part of createReadStream(file)) hash.update(part as Buffer);
  return hash.digest("hex");
}
