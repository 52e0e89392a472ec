// SPDX-License-Identifier: Apache-2.0
// Makes the images of Kubernetes itself, of pause and of agnhost, each once for its content.

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { cp, mkdir, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { debianTree } from "../host/debian.ts";
import { run } from "../host/exec.ts";
import { withLock } from "../host/lock.ts";
import { cacheDirectory } from "../host/paths.ts";
import { step } from "../host/progress.ts";
import { sha256, writeImage } from "./archive.ts";
import type { Found } from "./build.ts";
import { kubernetesVersion, type ProgramName } from "./programs.ts";

export type Role = "control-plane" | "worker";

export interface ImageFile {
  readonly name: string;
  readonly file: string;
  readonly roles: readonly Role[];
}

interface ProgramImage {
  readonly image: string;
  readonly program: ProgramName;
  readonly entrypoint: readonly string[];
  readonly path: string;
  readonly roles: readonly Role[];
}

const everywhere: readonly Role[] = ["control-plane", "worker"];
const registry = "registry.k8s.io";

/** Names and places are those that kubeadm's manifests expect. */
const programImages: readonly ProgramImage[] = [
  ...(["kube-apiserver", "kube-controller-manager", "kube-scheduler"] as const).map((program) => ({
    image: `${registry}/${program}:${kubernetesVersion}`,
    program,
    entrypoint: [],
    path: `usr/local/bin/${program}`,
    roles: ["control-plane"] as const,
  })),
  {
    image: `${registry}/etcd:3.6.8-0`,
    program: "etcd",
    entrypoint: [],
    path: "usr/local/bin/etcd",
    roles: ["control-plane"],
  },
  {
    image: `${registry}/coredns/coredns:v1.14.2`,
    program: "coredns",
    entrypoint: ["/coredns"],
    path: "coredns",
    roles: everywhere,
  },
];

const pauseImage = `${registry}/pause:3.10.2`;
const agnhostImage = `${registry}/e2e-test-images/agnhost:2.63.0`;
/** What the Kubernetes tests call inside an agnhost container, beside agnhost itself. */
const agnhostPackages = ["netcat-openbsd", "curl", "wget", "dnsutils", "iputils-ping", "iperf", "iproute2"];

/** All images that are not ours, as archives in the cache. */
export async function kubernetesImages(programs: ReadonlyMap<ProgramName, Found>): Promise<ImageFile[]> {
  const images: ImageFile[] = [];
  for (const { image, program, entrypoint, path, roles } of programImages) {
    const binary = required(programs, program).path;
    const file = await cachedImage(image, await keyOf([binary], [image, path, ...entrypoint]), async (tree) => {
      await place(binary, join(tree, path));
      return entrypoint;
    });
    images.push({ name: image, file, roles });
  }
  images.push({ name: pauseImage, file: await makePause(), roles: everywhere });
  images.push({ name: agnhostImage, file: await makeAgnhost(required(programs, "agnhost").path), roles: everywhere });
  return images;
}

async function makePause(): Promise<string> {
  const source = join(import.meta.dirname, "pause/pause.c");
  return await cachedImage(pauseImage, await keyOf([source], [pauseImage]), async (tree) => {
    await run("gcc", ["-Os", "-static", "-s", "-Wall", "-Werror", "-o", join(tree, "pause"), source]);
    return ["/pause"];
  });
}

async function makeAgnhost(binary: string): Promise<string> {
  const key = await keyOf([binary], [agnhostImage, ...agnhostPackages]);
  return await cachedImage(agnhostImage, key, async (tree, note) => {
    await rm(tree, { recursive: true });
    await debianTree(tree, agnhostPackages, note);
    await place(binary, join(tree, "agnhost"));
    return ["/agnhost"];
  });
}

type Fill = (tree: string, note: (text: string) => void) => Promise<readonly string[]>;

/** The archive of an image; `fill` writes its files and returns its entry point when it is not in the cache yet. */
async function cachedImage(image: string, key: string, fill: Fill): Promise<string> {
  const short = image.replace(/^.*\//, "").replace(":", "-");
  const target = join(cacheDirectory(), "images", `${short}-${key}.tar.gz`);
  if (existsSync(target)) return target;
  await withLock(target, async () => {
    if (existsSync(target)) return;
    const tree = `${target}.tree-${process.pid}`;
    try {
      await mkdir(tree, { recursive: true });
      await step(`image ${image}`, async (note) => {
        const entrypoint = await fill(tree, note);
        const command = image === agnhostImage ? { command: ["pause"] } : {};
        await writeImage(tree, image, { entrypoint, ...command }, `${target}.whole-${process.pid}`);
      });
      await rename(`${target}.whole-${process.pid}`, target);
    } finally {
      await rm(tree, { recursive: true, force: true });
    }
  });
  return target;
}

async function place(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await cp(from, to, { dereference: true });
}

/** A program's path in the cache names its version and pins; any other file counts with its bytes. */
async function keyOf(files: readonly string[], words: readonly string[]): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify(words));
  for (const file of files) hash.update(file.startsWith(cacheDirectory()) ? file : await sha256(file));
  hash.update(await readFile(join(import.meta.dirname, "archive.ts")));
  return hash.digest("hex").slice(0, 12);
}

function required(programs: ReadonlyMap<ProgramName, Found>, name: ProgramName): Found {
  const found = programs.get(name);
  if (found === undefined) throw new Error(`The image of ${name} needs the program ${name}, which was not obtained.`);
  return found;
}
