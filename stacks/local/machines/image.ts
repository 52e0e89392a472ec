// SPDX-License-Identifier: Apache-2.0
// Makes the Debian tree that all machines share, once for every package list and set of image files.

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { cp, mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { debianTree } from "../host/debian.ts";
import { withLock } from "../host/lock.ts";
import { cacheDirectory } from "../host/paths.ts";
import { step } from "../host/progress.ts";

/** Debian packages of a machine: what a small server with a container runtime has. */
export const packages = [
  "systemd",
  "systemd-sysv",
  "dbus",
  "openssh-server",
  "iproute2",
  "iptables",
  "nftables",
  "conntrack",
  "ethtool",
  "containerd",
  "runc",
  "containernetworking-plugins",
  "socat",
  "curl",
  "kmod",
  "procps",
  "ca-certificates",
] as const;

const enabledUnits: Readonly<Record<string, string>> = {
  "sansproxy-network.service": "multi-user.target.wants",
  "sansproxy-filesystems.service": "sysinit.target.wants",
};

/** Units that do nothing useful in a machine like this, or cannot run in it. */
const maskedUnits = [
  "apt-daily.timer",
  "apt-daily-upgrade.timer",
  "console-getty.service",
  "dpkg-db-backup.timer",
  "e2scrub_all.timer",
  "e2scrub_reap.service",
  "fstrim.timer",
  "systemd-journal-flush.service",
  "systemd-logind.service",
  "systemd-networkd.service",
  "systemd-networkd.socket",
  "systemd-networkd-wait-online.service",
  "systemd-pstore.service",
  "systemd-resolved.service",
  "systemd-timesyncd.service",
  "systemd-udevd.service",
  "systemd-udevd-control.socket",
  "systemd-udevd-kernel.socket",
  "systemd-udev-trigger.service",
];

const imageFiles = join(import.meta.dirname, "image");

/** The tree of the machines' image, made first when this box has not made it yet. */
export async function machineImage(): Promise<string> {
  const target = join(cacheDirectory(), "machine-image", await imageKey());
  if (existsSync(target)) return target;
  // Several machines are made at once: one of them makes the image, the others wait for it.
  return await withLock(target, async () => {
    if (existsSync(target)) return target;
    const building = `${target}.building-${process.pid}`;
    try {
      await step("machine image: Debian 12 with systemd, sshd and containerd", (note) =>
        debianTree(building, packages, note),
      );
      await customize(building);
      await rename(building, target);
    } finally {
      await rm(building, { recursive: true, force: true });
    }
    return target;
  });
}

/** Changes with the package list, the units and every byte and mode of the image files. */
export async function imageKey(): Promise<string> {
  const hash = createHash("sha256");
  hash.update(JSON.stringify({ packages, enabledUnits, maskedUnits }));
  for (const file of await filesBelow(imageFiles)) {
    const executable = ((await stat(file)).mode & 0o111) !== 0;
    hash.update(`\0${relative(imageFiles, file)}\0${executable}\0`);
    hash.update(await readFile(file));
  }
  return hash.digest("hex").slice(0, 16);
}

async function customize(tree: string): Promise<void> {
  await cp(imageFiles, tree, { recursive: true });
  const units = join(tree, "etc/systemd/system");
  for (const [unit, wants] of Object.entries(enabledUnits)) {
    await mkdir(join(units, wants), { recursive: true });
    await symlink(join("/etc/systemd/system", unit), join(units, wants, unit));
  }
  for (const unit of maskedUnits) {
    await rm(join(units, unit), { force: true });
    await symlink("/dev/null", join(units, unit));
  }
  // Every machine makes its own identity; the image carries none.
  for (const file of await readdir(join(tree, "etc/ssh"))) {
    if (file.startsWith("ssh_host_")) await rm(join(tree, "etc/ssh", file));
  }
  await writeFile(join(tree, "etc/machine-id"), "");
  await rm(join(tree, "var/lib/dbus/machine-id"), { force: true });
  await rm(join(tree, "etc/hostname"), { force: true });
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}
