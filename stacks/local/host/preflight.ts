// SPDX-License-Identifier: Apache-2.0
// Decides from facts whether the local stack can run on this box, and says in one sentence what is in the way.

import type { Facts } from "./facts.ts";

export interface Needs {
  readonly memoryMb: number;
  /** MiB that have to be free, by folder. */
  readonly diskMb: Readonly<Record<string, number>>;
}

/** The first kernel with tcx, which the agent attaches its programs by. */
const oldestKernel = [6, 6] as const;

/** Every reason why the stack cannot run here: what was found, what is needed, the remedy. */
export function problems(facts: Facts, needs: Needs): string[] {
  const found: string[] = [];
  if (facts.user !== 0) {
    found.push(
      `The local stack makes mounts, links and cgroups, which only root may do, and this is user ${facts.user}: ` +
        "run the same command as root (sudo npm run up).",
    );
  }
  if (facts.architecture !== "x64") {
    found.push(`The local stack is made for x86-64, and this box is ${facts.architecture}: use an x86-64 machine.`);
  }
  if (isOlder(facts.kernelRelease)) {
    found.push(
      `Kernel ${facts.kernelRelease} has no tcx, by which the agent attaches its programs: ` +
        `boot a kernel of version ${oldestKernel.join(".")} or newer.`,
    );
  }
  if (!facts.hasBtf) {
    found.push(
      "The kernel has no BTF (/sys/kernel/btf/vmlinux is missing), which eBPF programs are loaded by: " +
        "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y, as Debian's are.",
    );
  }
  for (const [type, option, purpose] of [
    ["overlay", "CONFIG_OVERLAY_FS", "the machines' disks"],
    ["bpf", "CONFIG_BPF_SYSCALL", "pinned eBPF objects"],
  ] as const) {
    if (facts.fileSystems.includes(type)) continue;
    found.push(`The kernel lacks the file system ${type}, needed for ${purpose}: boot a kernel with ${option}.`);
  }
  if (!facts.hasCgroup2) {
    found.push(
      "No cgroup2 hierarchy is mounted, which socket load balancing attaches to: " +
        "mount one (mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified).",
    );
  }
  if (facts.memoryAvailableMb < needs.memoryMb) {
    found.push(
      `${facts.memoryAvailableMb} MiB of memory are available and the machines need ${needs.memoryMb} MiB: ` +
        "free memory, or make fewer or smaller machines (npm run pulumi -- config set sansproxy:workers 1).",
    );
  }
  for (const [folder, needed] of Object.entries(needs.diskMb)) {
    const free = facts.freeDiskMb[folder] ?? 0;
    if (free >= needed) continue;
    found.push(
      `${free} MiB are free on the disk of ${folder} and ${needed} MiB are needed: free some, or ` +
        "set SANSPROXY_CACHE to a folder on a larger disk.",
    );
  }
  return found;
}

/** Thrown with all problems at once, so that a person mends them in one go. */
export class PreflightFailed extends Error {
  override readonly name = "PreflightFailed";

  constructor(found: readonly string[]) {
    super(found.join("\n"));
  }
}

export function requireFit(facts: Facts, needs: Needs): void {
  const found = problems(facts, needs);
  if (found.length > 0) throw new PreflightFailed(found);
}

function isOlder(release: string): boolean {
  const [major = 0, minor = 0] = release.split(/[.-]/).map(Number);
  return major < oldestKernel[0] || (major === oldestKernel[0] && minor < oldestKernel[1]);
}
