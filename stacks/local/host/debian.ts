// SPDX-License-Identifier: Apache-2.0
// Makes small Debian 12 trees with mmdebstrap, from the mirror this box itself uses.

import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { run } from "./exec.ts";

const suite = "bookworm";
const defaultMirror = "http://deb.debian.org/debian";

/** Writes a minimal Debian tree with the given packages; the target must not exist. */
export async function debianTree(
  target: string,
  packages: readonly string[],
  note: (text: string) => void,
): Promise<void> {
  const mirror = await debianMirror();
  note(`packages from ${mirror}`);
  const args = ["--variant=minbase", "--mode=root", "--format=directory"];
  // Documentation, manual pages and translations are half of a small tree.
  args.push("--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*");
  args.push("--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-include=/usr/share/doc/*/copyright");
  args.push(`--include=${packages.join(",")}`, suite, target, mirror);
  await run("mmdebstrap", args, { env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } });
}

/** The mirror of `SANSPROXY_DEBIAN_MIRROR`, else the first Debian 12 mirror in this box's apt sources, else Debian's. */
export async function debianMirror(env: NodeJS.ProcessEnv = process.env, apt = "/etc/apt"): Promise<string> {
  if (env.SANSPROXY_DEBIAN_MIRROR) return env.SANSPROXY_DEBIAN_MIRROR;
  const folder = `${apt}/sources.list.d`;
  const parts = existsSync(folder) ? (await readdir(folder)).sort().map((name) => `${folder}/${name}`) : [];
  for (const file of [`${apt}/sources.list`, ...parts]) {
    if (!existsSync(file)) continue;
    const mirror = mirrorOf(await readFile(file, "utf8"), file.endsWith(".sources"));
    if (mirror !== undefined) return mirror;
  }
  return defaultMirror;
}

/** The Debian 12 main mirror that one apt source file names, in the one-line or the deb822 form. */
export function mirrorOf(text: string, deb822: boolean): string | undefined {
  if (!deb822) {
    for (const line of text.split("\n")) {
      const found = /^deb\s+(?:\[[^\]]*\]\s+)?(https?:\/\/\S+)\s+(\S+)\s+(.*)$/.exec(line.trim());
      if (found?.[1] !== undefined && found[2] === suite && /\bmain\b/.test(found[3] ?? "")) return found[1];
    }
    return undefined;
  }
  for (const stanza of text.split(/\n\s*\n/)) {
    const field = (name: string) => new RegExp(`^${name}:\\s*(.+)$`, "mi").exec(stanza)?.[1]?.trim().split(/\s+/) ?? [];
    const uri = field("URIs").find((value) => /^https?:\/\//.test(value));
    if (uri !== undefined && field("Suites").includes(suite) && field("Components").includes("main")) return uri;
  }
  return undefined;
}
