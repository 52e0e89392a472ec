// SPDX-License-Identifier: Apache-2.0
// Network namespaces, private bpffs mounts and cgroups for tests: made, entered, and always taken down.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import koffi from "koffi";

const setns = koffi.load("libc.so.6").func("int setns(int fd, int type)");
const CLONE_NEWNET = 0x40000000;

/** Throws unless these tests can run here. */
export function requireRoot(): void {
  if (process.getuid?.() !== 0)
    throw new Error("these tests load BPF programs and make network namespaces: run as root");
}

export const sh = (...argv: string[]): string => {
  const [program = "", ...args] = argv;
  return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
};

const alive = (pid: string): boolean => existsSync(`/proc/${pid}`);

/** Takes down what a test process left that was killed too hard to do it itself; names carry its process id. */
function sweep(): void {
  sweepFolder("/run/netns", /^sp(\d+)-\d+-/, (path) => sh("ip", "netns", "del", basename(path)));
  sweepFolder(tmpdir(), /^sansproxy-bpffs-(\d+)-/, (path) => {
    if (readFileSync("/proc/mounts", "utf8").includes(` ${path} `)) sh("umount", path);
    rmdirSync(path);
  });
  sweepFolder(cgroup2Mount(), /^sansproxy-test-(\d+)-/, removeCgroup);
}

function sweepFolder(folder: string, ofProcess: RegExp, remove: (path: string) => void): void {
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    const pid = ofProcess.exec(name)?.[1];
    if (pid === undefined || alive(pid)) continue;
    const path = join(folder, name);
    try {
      remove(path);
    } catch (error) {
      // Another process that sweeps at the same time may be first.
      if (existsSync(path)) throw error;
    }
  }
}

const REMOVAL_MS = 30_000;

/** Removes a cgroup; a process that a failed test left in it is ended by the cgroup's own means. */
function removeCgroup(path: string): void {
  if (readFileSync(join(path, "cgroup.procs"), "utf8") !== "") writeFileSync(join(path, "cgroup.kill"), "1");
  for (const deadline = performance.now() + REMOVAL_MS; ; ) {
    try {
      rmdirSync(path);
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
    }
  }
}

/** Everything to take down, newest first; also runs when the process ends, or is told to, with something left. */
export class Cleanup {
  readonly #steps: (() => void)[] = [];
  readonly #onExit = (): void => this.run();
  readonly #onSignal = (): void => process.exit(1);

  constructor() {
    sweep();
    process.once("exit", this.#onExit);
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.once(signal, this.#onSignal);
  }

  add(step: () => void): void {
    this.#steps.push(step);
  }

  /** Runs every step even when some fail, then throws what failed. */
  run(): void {
    const failures: unknown[] = [];
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        step();
      } catch (error) {
        failures.push(error);
      }
    }
    process.off("exit", this.#onExit);
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.off(signal, this.#onSignal);
    if (failures.length > 0) throw new AggregateError(failures, "taking down a test's world failed");
  }
}

let made = 0;

/** A named network namespace. */
export class Netns {
  readonly name: string;

  constructor(label: string, cleanup: Cleanup) {
    requireRoot();
    this.name = `sp${process.pid}-${made++}-${label}`;
    sh("ip", "netns", "add", this.name);
    cleanup.add(() => sh("ip", "netns", "del", this.name));
    this.ip("link", "set", "lo", "up");
  }

  get path(): string {
    return `/run/netns/${this.name}`;
  }

  ip(...args: string[]): string {
    return sh("ip", "-n", this.name, ...args);
  }

  run(...argv: string[]): string {
    return sh("nsenter", `--net=${this.path}`, ...argv);
  }

  sysctl(name: string, value: string): void {
    this.run("sh", "-c", `echo ${value} > /proc/sys/${name.replaceAll(".", "/")}`);
  }

  /** Runs a synchronous function with this thread in the namespace. */
  inside<T>(run: () => T): T {
    const home = openSync("/proc/thread-self/ns/net", "r");
    const there = openSync(this.path, "r");
    try {
      if (Number(setns(there, CLONE_NEWNET)) !== 0) throw new Error(`entering ${this.name}: errno ${koffi.errno()}`);
      return run();
    } finally {
      const back = Number(setns(home, CLONE_NEWNET));
      closeSync(home);
      closeSync(there);
      if (back !== 0) process.abort();
    }
  }

  /**
   * Starts a program in the namespace (not by `ip netns exec`, which hides /sys/fs/cgroup), and in a cgroup when one is
   * given; `open` are files that it gets as 3 and following.
   */
  start(argv: readonly string[], cgroup?: string, open: readonly number[] = []): ChildProcess {
    const enter = cgroup === undefined ? "" : `echo $$ > ${cgroup}/cgroup.procs && `;
    return spawn("nsenter", [`--net=${this.path}`, "sh", "-c", `${enter}exec "$@"`, "sh", ...argv], {
      stdio: ["pipe", "pipe", "inherit", ...open],
    });
  }
}

/** Joins two namespaces by a veth pair. */
export function connect(a: Netns, aDevice: string, b: Netns, bDevice: string): void {
  a.ip("link", "add", aDevice, "type", "veth", "peer", "name", bDevice, "netns", b.name);
  a.ip("link", "set", aDevice, "up");
  b.ip("link", "set", bDevice, "up");
}

/** A bpffs of its own, gone with the test. */
export function mountBpffs(cleanup: Cleanup): string {
  requireRoot();
  const path = mkdtempSync(join(tmpdir(), `sansproxy-bpffs-${process.pid}-`));
  cleanup.add(() => rmdirSync(path));
  sh("mount", "-t", "bpf", "bpf", path);
  cleanup.add(() => sh("umount", path));
  return path;
}

/** Where this machine mounts cgroup2. */
export function cgroup2Mount(): string {
  const line = readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .find((mount) => mount.split(" ")[2] === "cgroup2");
  const path = line?.split(" ")[1];
  if (path === undefined) throw new Error("cgroup2 is not mounted on this machine; mount it to run these tests");
  return path;
}

/** A cgroup of its own, at the root or below another; every process in it must have ended before the cleanup. */
export function makeCgroup(cleanup: Cleanup, parent = cgroup2Mount()): string {
  const path = join(parent, `sansproxy-test-${process.pid}-${made++}`);
  mkdirSync(path);
  cleanup.add(() => removeCgroup(path));
  return path;
}
