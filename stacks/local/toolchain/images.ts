// SPDX-License-Identifier: Apache-2.0
// Makes the images of Kubernetes itself, of pause and of agnhost, each once for its content.

import { mkdir, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { debianTree } from "../host/debian.ts";
import { run } from "../host/exec.ts";
import { writeImage } from "./archive.ts";
import { type Found, moduleFolder } from "./build.ts";
import { cachedArchive, keyOf, place } from "./image-cache.ts";
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
const programImages = (version: string): readonly ProgramImage[] => [
  ...(["kube-apiserver", "kube-controller-manager", "kube-scheduler"] as const).map((program) => ({
    image: `${registry}/${program}:${version}`,
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
const agnhostPackages = ["netcat-openbsd", "curl", "busybox", "dnsutils", "iputils-ping", "iperf", "iproute2"];
/** Programs that are busybox's in the published image: its wget asks once, where GNU's asks twenty times. */
const agnhostApplets = ["wget"];
/** The first Debian with iperf 2.2, whose columns the suite reads. */
const agnhostRelease = "trixie";
/** Files of agnhost's own sources that its published image carries: the certificate of its TLS servers. */
const agnhostFiles = ["porter/localhost.crt", "porter/localhost.key"];

/** All images of a cluster of `version` that are not ours, as archives in the cache. */
export async function kubernetesImages(
  programs: ReadonlyMap<ProgramName, Found>,
  version = kubernetesVersion,
): Promise<ImageFile[]> {
  const images: ImageFile[] = [];
  for (const { image, program, entrypoint, path, roles } of programImages(version)) {
    const binary = required(programs, program).path;
    const key = await keyOf([binary], [image, path, ...entrypoint]);
    const file = await cachedArchive(image, key, async (tree, target) => {
      await place(binary, join(tree, path));
      await writeImage(tree, image, { entrypoint }, target);
    });
    images.push({ name: image, file, roles });
  }
  images.push({ name: pauseImage, file: await makePause(), roles: everywhere });
  images.push({ name: agnhostImage, file: await makeAgnhost(programs), roles: everywhere });
  return images;
}

async function makePause(): Promise<string> {
  const source = join(import.meta.dirname, "pause/pause.c");
  return await cachedArchive(pauseImage, await keyOf([source], [pauseImage]), async (tree, target) => {
    await run("gcc", ["-Os", "-static", "-s", "-Wall", "-Werror", "-o", join(tree, "pause"), source]);
    await writeImage(tree, pauseImage, { entrypoint: ["/pause"] }, target);
  });
}

/** agnhost with all that its published image has beside it and that Kubernetes' network tests call. */
async function makeAgnhost(programs: ReadonlyMap<ProgramName, Found>): Promise<string> {
  const agnhost = required(programs, "agnhost").path;
  const coredns = required(programs, "coredns").path;
  const key = await keyOf(
    [agnhost, coredns],
    [...[agnhostImage, agnhostRelease, ...agnhostPackages], ...agnhostApplets, ...agnhostFiles],
  );
  return await cachedArchive(agnhostImage, key, async (tree, target, note) => {
    await rm(tree, { recursive: true });
    await debianTree(tree, agnhostPackages, note, agnhostRelease);
    await place(agnhost, join(tree, "agnhost"));
    await symlink("agnhost", join(tree, "agnhost-2"));
    for (const applet of agnhostApplets) await symlink("busybox", join(tree, "usr/bin", applet));
    await place(coredns, join(tree, "coredns"));
    await mkdir(join(tree, "uploads"), { mode: 0o777 });
    const sources = join(await moduleFolder("kubernetes", "k8s.io/kubernetes"), "test/images/agnhost");
    for (const file of agnhostFiles) await place(join(sources, file), join(tree, file.replace(/^.*\//, "")));
    await writeImage(tree, agnhostImage, { entrypoint: ["/agnhost"], command: ["pause"] }, target);
  });
}

function required(programs: ReadonlyMap<ProgramName, Found>, name: ProgramName): Found {
  const found = programs.get(name);
  if (found === undefined) throw new Error(`The image of ${name} needs the program ${name}, which was not obtained.`);
  return found;
}
