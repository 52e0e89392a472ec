// SPDX-License-Identifier: Apache-2.0
// Lays a machine's own files over the shared image, and takes mounts away again.

import { readFile } from "node:fs/promises";
import { run } from "../host/exec.ts";

/** Mount points of this box at or below a folder, deepest first. */
async function mountsBelow(folder: string): Promise<string[]> {
  return mountPointsOf(await readFile("/proc/self/mountinfo", "utf8"), folder);
}

/** Mount points at or below a folder in a `/proc/self/mountinfo` text, the last made first. */
export function mountPointsOf(mountinfo: string, folder: string): string[] {
  return mountinfo
    .split("\n")
    .map((line) => line.split(" ")[4])
    .filter((path) => path !== undefined)
    .map((path) => path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))))
    .filter((path) => path === folder || path.startsWith(`${folder}/`))
    .reverse();
}

/** Mounts the image with the machine's own layer on top; a tree that is mounted already stays. */
export async function mountOverlay(lower: string, upper: string, work: string, target: string): Promise<void> {
  if ((await mountsBelow(target)).includes(target)) return;
  const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
  await run("mount", ["-t", "overlay", "sansproxy-machine", "-o", options, target]);
}

/** Takes away every mount at or below a folder. */
export async function unmountBelow(folder: string): Promise<void> {
  for (const path of await mountsBelow(folder)) await run("umount", ["--recursive", "--lazy", path]);
}
