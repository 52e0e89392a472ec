// SPDX-License-Identifier: Apache-2.0
// Brings the Debian packages whose programs the local stack uses on this box.

import { existsSync } from "node:fs";
import { CommandFailed, run } from "./exec.ts";
import { withoutServices } from "./no-service.ts";
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
  ["/usr/sbin/ethtool", "ethtool"],
  ["/usr/sbin/conntrack", "conntrack"],
  ["/usr/sbin/sshd", "openssh-server"],
  ["/usr/bin/shellcheck", "shellcheck"],
  ["/usr/bin/curl", "curl"],
  ["/usr/bin/openssl", "openssl"],
  ["/usr/bin/gpg", "gpg"],
  ["/usr/bin/gpg-agent", "gpg-agent"],
  ["/usr/bin/gpgconf", "gpgconf"],
  ["/bin/ps", "procps"],
  ["/usr/lib/python3.11/ensurepip/__init__.py", "python3-venv"],
  ["/usr/bin/promtool", "prometheus"],
  ["/usr/bin/rsvg-convert", "librsvg2-bin"],
  ["/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", "fonts-dejavu-core"],
];

/** Services that come with these packages, and that the tests do not want: they start their own with own settings. */
const unwantedServices: Readonly<Record<string, string>> = { "openssh-server": "ssh", prometheus: "prometheus" };

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
  const services = missing.flatMap((name) => unwantedServices[name] ?? []);
  try {
    await step(`Debian packages ${missing.join(", ")}`, async (note) => {
      note("reading package lists");
      await run("apt-get", ["update", "-q"], { env });
      note("installing");
      await withoutServices(services, () => run("apt-get", install, { env }));
    });
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    throw new Error(`apt could not install ${missing.join(", ")}: ${error.message}\nMend apt, or ${remedy}`);
  }
  requireInstalled(missingPackages(purpose));
  for (const service of services) await keepOff(service);
}

/** Throws when the packages that apt has installed still lack what is looked for. */
export function requireInstalled(still: readonly string[]): void {
  if (still.length === 0) return;
  throw new Error(
    `apt installed ${still.join(", ")} without an error, but their programs are not where Debian 12 has them: ` +
      `use a box with Debian 12, or see what \`dpkg --listfiles ${still[0]}\` lists and install the programs by hand.`,
  );
}

/** Nor shall it start with the next boot. */
async function keepOff(service: string): Promise<void> {
  if (existsSync("/usr/bin/systemctl")) await run("systemctl", ["--no-reload", "disable", `${service}.service`]);
  say(`  ${service} was installed for the tests only: it is neither started nor started at boot`);
}
