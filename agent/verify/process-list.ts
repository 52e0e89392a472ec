// SPDX-License-Identifier: Apache-2.0
// Tells which of a machine's processes are kube-proxy, from what /proc says of them.

export interface ProcessEntry {
  readonly pid: number;
  /** /proc/PID/comm without its newline: at most 15 characters. */
  readonly comm: string;
  /** /proc/PID/cmdline split at its NULs; empty for kernel threads and zombies. */
  readonly argv: readonly string[];
}

const baseName = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

/** kube-proxy by its own name, or as the applet of a combined binary (`hyperkube kube-proxy`). Arguments do not count. */
export const isKubeProxy = ({ comm, argv }: ProcessEntry): boolean =>
  comm === "kube-proxy" ||
  baseName(argv[0] ?? "") === "kube-proxy" ||
  (baseName(argv[0] ?? "") === "hyperkube" && (argv[1] === "kube-proxy" || argv[1] === "proxy"));

export const describeProcesses = (processes: readonly ProcessEntry[]): string =>
  `kube-proxy runs: ${processes
    .map(({ pid, comm, argv }) => `process ${pid} (${argv.length > 0 ? argv.slice(0, 2).join(" ") : comm})`)
    .join(", ")}`;
