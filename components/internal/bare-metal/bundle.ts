// SPDX-License-Identifier: Apache-2.0
// Reads an air-gapped bundle's manifest: which files a host of a role needs, and what is in them.

import { existsSync, readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import type { InputProblem } from "../input-errors.ts";

/** One file of the bundle. */
export interface BundleFile {
  /** Path inside the bundle. */
  readonly path: string;
  readonly sha256: string;
  readonly roles: readonly string[];
  /** Names of the images inside, when it is an archive of images. */
  readonly images?: readonly string[];
}

/** A bundle that has been read and found complete. */
export interface Bundle {
  readonly folder: string;
  readonly kubernetesVersion: string;
  readonly files: readonly BundleFile[];
}

const remoteFolder = "/var/lib/sansproxy/bundle";

function isManifest(value: unknown): value is { kubernetesVersion: string; files: BundleFile[] } {
  const manifest = value as { kubernetesVersion?: unknown; files?: unknown } | null;
  if (typeof manifest?.kubernetesVersion !== "string" || !Array.isArray(manifest.files)) return false;
  return manifest.files.every(
    (file: Partial<BundleFile>) =>
      typeof file.path === "string" && /^[a-f0-9]{64}$/.test(file.sha256 ?? "") && Array.isArray(file.roles),
  );
}

/** The bundle in `folder`, or what is wrong with it. */
export function readBundle(propertyPath: string, folder: string): Bundle | InputProblem {
  const absolute = resolve(folder);
  const manifestPath = join(absolute, "manifest.json");
  const remedy = "make the bundle again, or leave bundlePath out to install from package repositories.";
  const problem = (what: string): InputProblem => ({ propertyPath, reason: `${what}; ${remedy}` });
  if (!existsSync(manifestPath)) return problem(`"${folder}" holds no air-gapped bundle (no manifest.json in it)`);
  let manifest: unknown;
  try {
    manifest = JSON.parse(readFileSync(manifestPath, "utf8"));
  } catch (error) {
    return problem(`${manifestPath} is not JSON (${(error as Error).message})`);
  }
  if (!isManifest(manifest)) {
    return problem(`${manifestPath} does not say kubernetesVersion and, for each file, path, sha256 and roles`);
  }
  const missing = manifest.files.filter((file) => !existsSync(join(absolute, file.path)));
  if (missing.length > 0) return problem(`${absolute} lacks ${missing.map((file) => file.path).join(", ")}`);
  if (!manifest.files.some((file) => file.path === programsPath)) return problem(`${absolute} lacks ${programsPath}`);
  return { folder: absolute, kubernetesVersion: manifest.kubernetesVersion, files: manifest.files };
}

const programsPath = "bin.tar.gz";

/** The files that a host of this role needs. */
export function filesForRole(bundle: Bundle, role: string): BundleFile[] {
  return bundle.files.filter((file) => file.roles.includes(role));
}

/** Where a file lies on the host; its content is in its name, so that a changed file is another file. */
export function remotePath(file: BundleFile): string {
  return `${remoteFolder}/${file.sha256.slice(0, 16)}-${basename(file.path)}`;
}

/** A short name for a file, for the name of its copy: the same for the next version of what is in it. */
export function fileLabel(file: BundleFile): string {
  const image = file.images?.[0];
  return image === undefined
    ? basename(file.path).replace(/\.tar(\.gz)?$/, "")
    : basename(image).replace(/[:@].*$/, "");
}

/** The lists that the script `prepare` reads: every file, the archive of programs, and the archives of images. */
export function bundleVariables(bundle: Bundle | undefined, role: string) {
  if (bundle === undefined) {
    return { PACKAGE_SOURCE: "apt", BUNDLE_FILES: "", BUNDLE_PROGRAMS: "", BUNDLE_IMAGES: "" };
  }
  const files = filesForRole(bundle, role);
  const programs = files.find((file) => file.path === programsPath);
  return {
    PACKAGE_SOURCE: "bundle",
    BUNDLE_FILES: files.map((file) => `${file.sha256} ${remotePath(file)}`).join("\n"),
    BUNDLE_PROGRAMS: programs === undefined ? "" : remotePath(programs),
    BUNDLE_IMAGES: files
      .filter((file) => (file.images?.length ?? 0) > 0)
      .map((file) => `${file.sha256} ${remotePath(file)} ${file.images?.join(" ")}`)
      .join("\n"),
  };
}
