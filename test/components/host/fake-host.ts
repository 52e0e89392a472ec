// SPDX-License-Identifier: Apache-2.0
// A host in a folder: the steps' scripts run with their paths moved there, and with programs that the test describes.

import { spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { type HostStep, type ScriptVariables, scriptInput } from "../../../components/internal/bare-metal/scripts.ts";
import { settled } from "../recorded-program.ts";

/** How a step ended, and what it called of the programs that the test describes. */
export interface StepRun {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly calls: readonly string[];
}

/** For each pattern of arguments (`*` stands for anything, the first that fits counts) what the shell does. */
export type Program = Readonly<Record<string, string>>;

const realPrograms =
  "awk bash cat chmod cp cut date df env find flock grep head id install ln md5sum mkdir mktemp mv rm rmdir sed seq sort stat tail timeout tr uname wc".split(
    " ",
  );

/** What a quiet Debian answers. */
const defaultPrograms: Readonly<Record<string, Program>> = {
  sleep: { "*": "" },
  systemctl: { "is-active *": "", "stop kubelet": "", "restart kubelet": "", "disable --now kubelet": "" },
  journalctl: { "*": "" },
  ip: { "-? route flush proto 157": "", "-o link show type veth": "" },
  ps: { "-p 1 -o comm=": "echo systemd" },
  pgrep: { "-x kube-proxy": "exit 1" },
};

/** Folders of the host that the scripts write to; nothing outside of the fake root may be named. */
const movedPaths = /(?<![\w/}])\/(?=(?:etc|var|run|tmp|usr\/(?:bin|lib))\/|sys\/fs\/bpf)/g;

const hostVariables = {
  HOST_NAME: "cp-1",
  HOST_ADDRESS: "10.89.0.11",
  HOST_ROLE: "control-plane",
  HOST_FIRST: "yes",
  CLUSTER_ID: "project/stack/metal",
  KUBERNETES_VERSION: "v1.36.3",
};

function programPath(name: string): string {
  const found = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"].map((folder) => join(folder, name)).find(existsSync);
  if (found === undefined) throw new Error(`${name} is not installed, and the steps of a host need it.`);
  return found;
}

/** Less than a test may take, so that a failure shows what the script said. */
const TIMEOUT_MS = 50_000;

export class FakeHost {
  readonly root = mkdtempSync(join(tmpdir(), "sansproxy-host-"));

  constructor() {
    mkdirSync(this.path("/bin"));
    for (const name of realPrograms) symlinkSync(programPath(name), this.path(`/bin/${name}`));
    for (const [name, program] of Object.entries(defaultPrograms)) this.program(name, program);
    this.write("/etc/os-release", 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n');
    mkdirSync(this.path("/var/lib"), { recursive: true });
  }

  path(path: string): string {
    return join(this.root, path);
  }

  /** Gives the host a program. A call that it does not describe fails the test. */
  program(name: string, program: Program): void {
    const cases = Object.entries(program).map(
      ([pattern, body]) => `  ${pattern.replaceAll(" ", "\\ ")})\n    ${body || ":"}\n    ;;`,
    );
    const unexpected = `  *) printf 'UNEXPECTED %s\\n' "${name} $*" >>"$root/calls"; exit 97 ;;`;
    const lines = [
      "#!/usr/bin/env bash",
      `root=${this.root}`,
      `printf '%s\\n' "${name} $*" >>"$root/calls"`,
      'case "$*" in',
      ...cases,
      unexpected,
      "esac",
    ];
    // A link to a real program must not be written through.
    rmSync(this.path(`/bin/${name}`), { force: true });
    writeFileSync(this.path(`/bin/${name}`), `${lines.join("\n")}\n`);
    chmodSync(this.path(`/bin/${name}`), 0o755);
  }

  write(path: string, text = ""): void {
    mkdirSync(dirname(this.path(path)), { recursive: true });
    writeFileSync(this.path(path), text);
  }

  has(path: string): boolean {
    return existsSync(this.path(path));
  }

  read(path: string): string {
    return readFileSync(this.path(path), "utf8");
  }

  /** The claim of this cluster, as the step `claim` has written it. */
  claim(fields: Readonly<Record<string, string>> = {}): void {
    const all = {
      cluster: hostVariables.CLUSTER_ID,
      name: hostVariables.HOST_NAME,
      role: hostVariables.HOST_ROLE,
      first: hostVariables.HOST_FIRST,
      ...fields,
    };
    const lines = Object.entries(all).map(([field, value]) => `${field}=${value}\n`);
    this.write("/etc/sansproxy/claim", lines.join(""));
  }

  private async script(step: HostStep, variables: ScriptVariables): Promise<string> {
    const text: string = await settled(scriptInput(step, { ...hostVariables, ...variables }));
    const ownPath = /^export PATH=.*$/m;
    if (!ownPath.test(text)) throw new Error("The prelude sets no PATH, so real programs would run.");
    const moved = text.replace(movedPaths, `${this.root}/`);
    const forgotten = /(?:^|[\s"'=<>(^])\/(?:boot|etc|home|root|run|srv|tmp|usr\/(?:bin|lib)|var)\/.*/m.exec(
      moved.replaceAll(this.root, "ROOT").replace(ownPath, ""),
    );
    if (step !== "prepare" && forgotten !== null)
      throw new Error(`A path was not moved into the host: ${forgotten[0]}`);
    return moved.replace(ownPath, `export PATH=${this.path("/bin")}`);
  }

  /** Runs one function of a step's script. */
  async call(step: HostStep, name: string, variables: ScriptVariables = {}): Promise<StepRun> {
    return this.bash((await this.script(step, variables)).replace('"run_$1" </dev/null', `${name} </dev/null`), "");
  }

  /** Runs a step. */
  async run(step: HostStep, action: "create" | "update" | "delete", variables: ScriptVariables = {}): Promise<StepRun> {
    return this.bash(await this.script(step, variables), action);
  }

  /** Runs a script as `sh -c` runs it, with its settings in the environment, and only this host's programs. */
  async sh(script: string, settings: Readonly<Record<string, string>>): Promise<StepRun> {
    return this.spawned("/bin/sh", ["-c", script], { PATH: this.path("/bin"), ...settings }, "");
  }

  private async bash(input: string, action: string): Promise<StepRun> {
    const options = ["-euo", "pipefail", "-s", "--", action];
    return this.spawned(this.path("/bin/bash"), options, { SUDO_USER: userInfo().username }, input);
  }

  private async spawned(
    shell: string,
    args: readonly string[],
    env: Readonly<Record<string, string>>,
    input: string,
  ): Promise<StepRun> {
    // Before the script, which may call programs as soon as it is started.
    this.write("/calls");
    const child = spawn(shell, args, { env });
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    // A script may end before it has read anything; how it ended is in its status.
    child.stdin.on("error", () => undefined).end(input);
    const ended = new Promise<number | null>((resolve, reject) => child.once("error", reject).once("close", resolve));
    let late = false;
    const timer = setTimeout(() => {
      late = child.kill("SIGKILL");
    }, TIMEOUT_MS);
    const status = await ended.finally(() => clearTimeout(timer));
    const calls = this.read("/calls").split("\n").filter(Boolean);
    if (late) throw new Error(`the script did not end in time:\n${calls.join("\n")}\n${stdout}${stderr}`);
    const unexpected = calls.filter((call) => call.startsWith("UNEXPECTED"));
    if (unexpected.length > 0) throw new Error(`${unexpected.join("\n")}\n${stdout}${stderr}`);
    return { status, stdout, stderr, calls };
  }

  remove(): void {
    rmSync(this.root, { recursive: true });
  }
}
