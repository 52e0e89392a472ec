// SPDX-License-Identifier: Apache-2.0
// Brings the Debian packages whose programs the local stack uses on this box.

import { existsSync } from "node:fs";
import { CommandFailed, run } from "./exec.ts";
import { say, step } from "./progress.ts";

/** A file that is there when the package is, and the package. */
const needed: readonly (readonly [string, string])[] = [
  ["/usr/bin/mmdebstrap", "mmdebstrap"],
  ["/usr/bin/systemd-nspawn", "systemd-container"],
  ["/usr/bin/buildah", "buildah"],
  ["/usr/bin/gcc", "gcc"],
  ["/usr/lib/x86_64-linux-gnu/libc.a", "libc6-dev"],
  ["/usr/bin/clang-16", "clang-16"],
  ["/usr/include/bpf/bpf_helpers.h", "libbpf-dev"],
  ["/usr/bin/ssh-keygen", "openssh-client"],
  ["/sbin/ip", "iproute2"],
  ["/usr/bin/nsenter", "util-linux"],
];

/** What the tests call beside that. */
const neededByTests: readonly (readonly [string, string])[] = [
  ["/usr/bin/clang-format-16", "clang-format-16"],
  ["/usr/sbin/bpftool", "bpftool"],
  ["/usr/sbin/nft", "nftables"],
  ["/usr/sbin/iptables", "iptables"],
  ["/usr/sbin/sshd", "openssh-server"],
];

export type Purpose = "up" | "test";

/** Packages that are missing on this box. */
export function missingPackages(purpose: Purpose, exists: (file: string) => boolean = existsSync): string[] {
  const all = purpose === "test" ? [...needed, ...neededByTests] : needed;
  return all.filter(([file]) => !exists(file)).map(([, name]) => name);
}

/** Installs what is missing with apt; says which packages when apt cannot. */
export async function bringPackages(purpose: Purpose): Promise<void> {
  const missing = missingPackages(purpose);
  if (missing.length === 0) return;
  const remedy = `install them by hand: apt-get install ${missing.join(" ")}`;
  if (!existsSync("/usr/bin/apt-get")) {
    throw new Error(`These Debian packages are missing and there is no apt-get here: ${missing.join(", ")}; ${remedy}`);
  }
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" };
  const install = ["install", "--yes", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", ...missing];
  try {
    await step(`Debian packages ${missing.join(", ")}`, async (note) => {
      note("reading package lists");
      await run("apt-get", ["update", "-q"], { env });
      note("installing");
      await run("apt-get", install, { env });
    });
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    throw new Error(`apt could not install ${missing.join(", ")}: ${error.message}\nMend apt, or ${remedy}`);
  }
  const still = missingPackages(purpose);
  if (still.length > 0) say(`  after the installation these are still not found: ${still.join(", ")}`);
}
