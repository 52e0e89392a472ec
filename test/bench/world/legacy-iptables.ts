// SPDX-License-Identifier: Apache-2.0
// kube-proxy's iptables mode on the kernel's own tables (x_tables). The other variant of the same programs, on nftables'
// tables, once took more than five minutes to load 10,000 Services of four endpoints, where this one takes seconds.
import { existsSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";

export const LEGACY_IPTABLES = "iptables-legacy";
/** One program for all, which goes by the name it is called by. */
export const LEGACY_PROGRAM = "/usr/sbin/xtables-legacy-multi";
const NAMES = ["", "-save", "-restore"].flatMap((end) => [`iptables${end}`, `ip6tables${end}`]);

/** What a program's PATH must be for `iptables` and its kin to be the legacy variant; the links are made in `directory`. */
export function legacyIptablesPath(directory: string): string {
  if (!existsSync(LEGACY_PROGRAM)) throw new Error(`${LEGACY_PROGRAM} is missing: install Debian's package iptables`);
  const folder = join(directory, LEGACY_IPTABLES);
  mkdirSync(folder, { recursive: true });
  for (const name of NAMES) {
    const link = join(folder, name);
    if (!existsSync(link)) symlinkSync(LEGACY_PROGRAM, link);
  }
  return `${folder}:${process.env["PATH"] ?? ""}`;
}
