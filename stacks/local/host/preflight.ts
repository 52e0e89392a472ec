// SPDX-License-Identifier: Apache-2.0
// Decides from facts whether the local stack can run on this box, and says in one sentence what is in the way.

import type { Facts } from "./facts.ts";

/** Room that a folder needs on its disk. */
export interface DiskNeed {
  readonly folder: string;
  readonly mb: number;
  readonly remedy: string;
}

export interface Needs {
  readonly memory: {
    readonly mb: number;
    /** Who needs it, as the sentence says it. */
    readonly what: string;
    readonly remedy: string;
  };
  readonly disk: readonly DiskNeed[];
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
  const { mb, what, remedy } = needs.memory;
  if (facts.memoryAvailableMb < mb) {
    found.push(`${facts.memoryAvailableMb} MiB of memory are available and ${what} ${mb} MiB: ${remedy}.`);
  }
  return [...found, ...diskProblems(facts.disks, needs.disk)];
}

/** One sentence for each disk that is too small for all that lies on it together. */
function diskProblems(disks: Facts["disks"], needs: readonly DiskNeed[]): string[] {
  const found: string[] = [];
  for (const device of new Set(needs.map(({ folder }) => disks[folder]?.device))) {
    const here = needs.filter(({ folder }) => disks[folder]?.device === device);
    const needed = here.reduce((sum, { mb }) => sum + mb, 0);
    const free = Math.min(...here.map(({ folder }) => disks[folder]?.freeMb ?? 0));
    if (free >= needed) continue;
    const parts = here.map(({ folder, mb }) => `${mb} for ${folder}`).join(", ");
    const remedies = here.map(({ remedy }) => remedy).join("; or ");
    found.push(`${free} MiB are free on one disk and ${needed} MiB are needed (${parts}): free some; or ${remedies}.`);
  }
  return found;
}

/** Thrown with all problems at once, so that a person mends them in one go. */
class PreflightFailed extends Error {
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
