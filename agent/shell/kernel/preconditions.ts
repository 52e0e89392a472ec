// SPDX-License-Identifier: Apache-2.0
// What the datapath needs of a machine, and one clear sentence with the remedy for each thing that is missing.
import { readFileSync } from "node:fs";
import { endianness, release } from "node:os";
import { findCgroup2 } from "./cgroup.ts";
import { KernelError } from "./kernel-error.ts";
import { requireBpffs } from "./pins.ts";

/** tcx links came with 6.6; everything else that we use is older. */
const OLDEST_KERNEL = [6, 6] as const;
const ARCHITECTURES: readonly string[] = ["x64", "arm64", "riscv64"];

const CAP_NET_ADMIN = 12n;
const CAP_SYS_ADMIN = 21n;
const CAP_PERFMON = 38n;
const CAP_BPF = 39n;

export interface MachineFacts {
  readonly kernelRelease: string;
  readonly architecture: string;
  readonly endianness: "LE" | "BE";
  /** CapEff of this process. */
  readonly capabilities: bigint;
}

export interface Preconditions {
  /** Each stops the datapath. */
  readonly problems: readonly string[];
  /** Each only makes it worse. */
  readonly advice: readonly string[];
}

function kernelProblem(kernelRelease: string): string | undefined {
  const match = /^(\d+)\.(\d+)/.exec(kernelRelease);
  const [major, minor] = [Number(match?.[1]), Number(match?.[2])];
  const [oldMajor, oldMinor] = OLDEST_KERNEL;
  if (major > oldMajor || (major === oldMajor && minor >= oldMinor)) return undefined;
  return `the kernel is ${kernelRelease}, and the programs attach by tcx, which came with ${oldMajor}.${oldMinor}; boot a newer kernel`;
}

/** Judges a machine by its facts alone. */
export function judgeMachine(facts: MachineFacts): Preconditions {
  const may = (...bits: bigint[]): boolean => bits.some((bit) => ((facts.capabilities >> bit) & 1n) === 1n);
  const problems = [
    kernelProblem(facts.kernelRelease),
    facts.endianness === "LE" && ARCHITECTURES.includes(facts.architecture)
      ? undefined
      : `the machine is ${facts.architecture} (${facts.endianness}); the maps are laid out for ${ARCHITECTURES.join(", ")}`,
    may(CAP_BPF, CAP_SYS_ADMIN)
      ? undefined
      : "CAP_BPF is missing, without which the kernel permits neither programs nor maps; run as root, or add BPF to the container's capabilities",
    may(CAP_NET_ADMIN)
      ? undefined
      : "CAP_NET_ADMIN is missing, without which the kernel permits no network programs; run as root, or add NET_ADMIN to the container's capabilities",
  ];
  const advice = [
    may(CAP_PERFMON, CAP_SYS_ADMIN)
      ? undefined
      : "CAP_PERFMON is missing: the verifier adds speculation barriers, and each program takes about three times as long; add PERFMON",
  ];
  return {
    problems: problems.filter((problem) => problem !== undefined),
    advice: advice.filter((line) => line !== undefined),
  };
}

function readMachineFacts(): MachineFacts {
  const capabilities = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  return {
    kernelRelease: release(),
    architecture: process.arch,
    endianness: endianness(),
    capabilities: BigInt(`0x${capabilities}`),
  };
}

function problemOf(check: () => void): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof KernelError) return error.message;
    throw error;
  }
}

/** Judges this machine and the two mounts. */
export function checkPreconditions(mounts: { readonly bpfRoot: string; readonly cgroupRoot: string }): Preconditions {
  const { problems, advice } = judgeMachine(readMachineFacts());
  const ofMounts = [
    problemOf(() => requireBpffs(mounts.bpfRoot)),
    problemOf(() => {
      findCgroup2(mounts.cgroupRoot);
    }),
  ];
  return { problems: [...problems, ...ofMounts.filter((problem) => problem !== undefined)], advice };
}

/** Throws one error that lists everything that is missing. */
export function requirePreconditions(mounts: { readonly bpfRoot: string; readonly cgroupRoot: string }): void {
  const { problems } = checkPreconditions(mounts);
  if (problems.length > 0) throw new KernelError(`the datapath cannot work here: ${problems.join("; and ")}`);
}
