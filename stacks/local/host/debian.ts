// SPDX-License-Identifier: Apache-2.0
// Makes small Debian trees with mmdebstrap, from the mirror this box itself uses.

import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { run } from "./exec.ts";

const suite = "bookworm";
/** Any mirror that serves one of these serves Debian 12 as well. */
const debianReleases = [suite, "trixie", "forky", "sid", "oldstable", "stable", "testing", "unstable"];

/** Writes a minimal Debian tree with the given packages; the target must not exist. */
export async function debianTree(
  target: string,
  packages: readonly string[],
  note: (text: string) => void,
  release: "bookworm" | "trixie" = suite,
): Promise<void> {
  const mirror = await debianMirror();
  note(`packages from ${mirror}`);
  const args = ["--variant=minbase", "--mode=root", "--format=directory"];
  // Documentation, manual pages and translations are half of a small tree.
  args.push("--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*");
  args.push("--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-include=/usr/share/doc/*/copyright");
  args.push(`--include=${packages.join(",")}`, release, target, mirror);
  await run("mmdebstrap", args, { env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } });
}

/** The mirror of `SANSPROXY_DEBIAN_MIRROR`, else the one in this box's apt sources, Debian 12's before another's. */
export async function debianMirror(env: NodeJS.ProcessEnv = process.env, apt = "/etc/apt"): Promise<string> {
  if (env.SANSPROXY_DEBIAN_MIRROR) return env.SANSPROXY_DEBIAN_MIRROR;
  const folder = `${apt}/sources.list.d`;
  const parts = existsSync(folder) ? (await readdir(folder)).sort().map((name) => `${folder}/${name}`) : [];
  const mirrors: Mirror[] = [];
  for (const file of [`${apt}/sources.list`, ...parts]) {
    if (!/\.(list|sources)$/.test(file) || !existsSync(file)) continue;
    mirrors.push(...mirrorsOf(await readFile(file, "utf8"), file.endsWith(".sources")));
  }
  const found = mirrors.find(({ suites }) => suites.includes(suite)) ?? mirrors[0];
  if (found !== undefined) return found.uri;
  throw new Error(
    `The machines are made of Debian 12 packages, and no apt source below ${apt} names a mirror of Debian: ` +
      "set SANSPROXY_DEBIAN_MIRROR to the address of one, as it would stand in sources.list.",
  );
}

/** An archive of Debian, with the releases for which this box uses it. It holds the other current ones as well. */
export interface Mirror {
  readonly uri: string;
  readonly suites: readonly string[];
}

/** The mirrors of Debian that one apt source file names, in the one-line or the deb822 form. */
export function mirrorsOf(text: string, deb822: boolean): Mirror[] {
  return deb822
    ? text
        .replace(/^#.*\n/gm, "")
        .split(/\n\s*\n/)
        .flatMap(ofStanza)
    : text.split("\n").flatMap(ofLine);
}

function ofLine(line: string): Mirror[] {
  const [, uri = "", wanted = "", components = ""] =
    /^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+(.*)$/.exec(line.trim()) ?? [];
  return debian([uri], [wanted], components.split(/\s+/));
}

function ofStanza(stanza: string): Mirror[] {
  const field = (name: string) => {
    const value = new RegExp(`^${name}:[ \\t]*(.*(?:\\n[ \\t]+.*)*)`, "mi").exec(stanza)?.[1] ?? "";
    return value.split(/\s+/).filter(Boolean);
  };
  if (field("Enabled")[0]?.toLowerCase() === "no" || !field("Types").includes("deb")) return [];
  return debian(field("URIs"), field("Suites"), field("Components"));
}

/** What of a source is Debian's own archive, and not one with the packages of somebody else or of security only. */
function debian(uris: readonly string[], suites: readonly string[], components: readonly string[]): Mirror[] {
  const releases = suites.filter((name) => debianReleases.includes(name));
  const uri = uris.find((value) => /^https?:\/\//.test(value));
  return uri !== undefined && releases.length > 0 && components.includes("main") ? [{ uri, suites: releases }] : [];
}
