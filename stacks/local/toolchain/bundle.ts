// SPDX-License-Identifier: Apache-2.0
// Puts together the air-gapped bundle: binaries, units and images with a manifest that names and hashes each file.

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { cp, link, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { withLock } from "../host/lock.ts";
import { cacheDirectory } from "../host/paths.ts";
import { step } from "../host/progress.ts";
import { compress, sha256, tar } from "./archive.ts";
import type { Found } from "./build.ts";
import type { ImageFile } from "./images.ts";
import type { ProgramName } from "./programs.ts";

export interface BundleFile {
  readonly path: string;
  readonly sha256: string;
  readonly roles: readonly string[];
  /** Images in this file; absent for the binaries. */
  readonly images?: readonly string[];
}

export interface BundleManifest {
  readonly kubernetesVersion: string;
  readonly files: readonly BundleFile[];
}

const binaries: readonly ProgramName[] = ["kubeadm", "kubelet", "kubectl"];
const units = ["kubelet.service", "10-kubeadm.conf"];
const unitFolder = join(import.meta.dirname, "systemd");

/** The bundle's folder in the cache for exactly these programs and images. */
export async function makeBundle(
  programs: ReadonlyMap<ProgramName, Found>,
  images: readonly ImageFile[],
  kubernetesVersion: string,
) {
  const key = createHash("sha256").update(JSON.stringify(images));
  for (const name of binaries) key.update(programs.get(name)?.path ?? "");
  for (const unit of units) key.update(await readFile(join(unitFolder, unit)));
  const target = join(cacheDirectory(), "bundles", key.digest("hex").slice(0, 16));
  if (existsSync(target)) return target;
  await withLock(target, async () => {
    if (existsSync(target)) return;
    await step(`air-gapped bundle of ${kubernetesVersion}`, async (note) => {
      const building = `${target}.building-${process.pid}`;
      try {
        await mkdir(join(building, "images"), { recursive: true });
        note("binaries");
        const files: BundleFile[] = [await packBinaries(programs, building)];
        for (const image of images) {
          note(image.name);
          const path = join("images", basename(image.file));
          // The cache holds each image once: the bundle shares its bytes.
          await link(image.file, join(building, path));
          files.push({ path, sha256: await sha256(image.file), roles: image.roles, images: [image.name] });
        }
        const manifest: BundleManifest = { kubernetesVersion, files };
        await writeFile(join(building, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
        await rename(building, target);
      } finally {
        await rm(building, { recursive: true, force: true });
      }
    });
  });
  return target;
}

async function packBinaries(programs: ReadonlyMap<ProgramName, Found>, bundle: string): Promise<BundleFile> {
  const stage = join(bundle, ".bin");
  await mkdir(join(stage, "systemd"), { recursive: true });
  for (const name of binaries) {
    const found = programs.get(name);
    if (found === undefined) throw new Error(`The bundle needs ${name}, which was not obtained.`);
    await cp(found.path, join(stage, name), { dereference: true });
  }
  for (const unit of units) await cp(join(unitFolder, unit), join(stage, "systemd", unit));
  const path = join(bundle, "bin.tar");
  await tar(stage, ["."], path, ["--owner=0", "--group=0"]);
  await compress(path);
  await rm(stage, { recursive: true });
  return { path: "bin.tar.gz", sha256: await sha256(`${path}.gz`), roles: ["control-plane", "worker"] };
}
