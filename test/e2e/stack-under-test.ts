// SPDX-License-Identifier: Apache-2.0
// Drives a local stack of the tests' own, beside a person's, through the project's commands as a person would.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { earlierKubernetesVersion } from "../../stacks/local/toolchain/programs.ts";

const repository = resolve(import.meta.dirname, "../..");

export interface Outcome {
  readonly code: number;
  /** What a person saw: standard output and error, in order. */
  readonly text: string;
  readonly seconds: number;
}

/** Fixed names, so that what a broken run left is found and removed by the next one. */
const stack = "test";
const subnet = "10.89.251";

export class StackUnderTest {
  /** Of the cluster, from the next `up` on. */
  kubernetesVersion = earlierKubernetesVersion;
  readonly home = mkdtempSync(join(tmpdir(), "sansproxy-stack-"));
  /** The box as the machines see it. */
  readonly boxAddress = `${subnet}.1`;
  readonly #environment: NodeJS.ProcessEnv = {
    ...process.env,
    SANSPROXY_HOME: this.home,
    SANSPROXY_STACK: stack,
  };

  /** `npm run up`, with the tests' own networks. */
  up(...args: string[]): Promise<Outcome> {
    return this.run("up", ...this.#configuration(), ...args);
  }

  #configuration(): string[] {
    const settings = [`subnet=${subnet}.0/24`, "bridge=sansproxyt", `kubernetesVersion=${this.kubernetesVersion}`];
    return settings.flatMap((setting) => ["-c", `sansproxy:${setting}`]);
  }

  /** One of the project's commands; its output is shown as it comes. */
  async run(...args: string[]): Promise<Outcome> {
    const child = this.start(...args);
    return await outcome(child);
  }

  /** An update that is to be interrupted. */
  startUp(...args: string[]): ChildProcess {
    return this.start("up", ...this.#configuration(), ...args);
  }

  /** `npx sansproxy verify`, as a person runs it. */
  async verify(): Promise<Outcome> {
    const env = { ...this.#environment, KUBECONFIG: join(this.home, "kubeconfig") };
    return await outcome(
      spawn("node", [join(repository, "agent/sansproxy.mjs"), "verify"], { env, stdio: ["ignore", "pipe", "pipe"] }),
    );
  }

  start(...args: string[]): ChildProcess {
    return spawn("node", [join(repository, "stacks/local/bootstrap.mjs"), ...args], {
      cwd: repository,
      env: this.#environment,
      stdio: ["ignore", "pipe", "pipe"],
    });
  }

  /** kubectl's output; throws with its error. */
  kubectl(...args: string[]): string {
    return execFileSync(join(this.home, "bin/kubectl"), ["--kubeconfig", join(this.home, "kubeconfig"), ...args], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      maxBuffer: 64 << 20,
    });
  }

  /** The same for what takes long, while other work of this process goes on. */
  async kubectlMeanwhile(...args: string[]): Promise<void> {
    const kubeconfig = ["--kubeconfig", join(this.home, "kubeconfig")];
    const { code, text } = await outcome(spawn(join(this.home, "bin/kubectl"), [...kubeconfig, ...args]));
    if (code !== 0) throw new Error(`kubectl ${args.join(" ")} ended with code ${code}: ${text}`);
  }

  /** kubectl reading one manifest. */
  apply(...objects: readonly object[]): void {
    execFileSync(
      join(this.home, "bin/kubectl"),
      ["--kubeconfig", join(this.home, "kubeconfig"), "apply", "--filename", "-"],
      { input: JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }), stdio: ["pipe", "pipe", "pipe"] },
    );
  }

  /** A command on a machine, by SSH as the stack's own key. */
  ssh(address: string, command: string, input = ""): string {
    const options = ["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"];
    const key = join(this.home, "ssh/id_ed25519");
    return execFileSync("ssh", ["-q", "-i", key, ...options, `root@${address}`, command], {
      encoding: "utf8",
      input,
    });
  }

  /** Every file that Pulumi keeps of the stack, as one text. */
  state(): string {
    return readFileSync(join(this.home, `state/.pulumi/stacks/sansproxy/${stack}.json`), "utf8");
  }

  privateKey(): string {
    return readFileSync(join(this.home, "ssh/id_ed25519"), "utf8");
  }

  /** Takes everything away, also what an earlier, broken run left. */
  async remove(): Promise<void> {
    const { code, text } = await this.run("down", "--force");
    if (code !== 0) throw new Error(`the stack under test was not removed:\n${text}`);
    rmSync(this.home, { recursive: true, force: true });
    rmSync(join(repository, `Pulumi.${stack}.yaml`), { force: true });
  }
}

export function outcome(child: ChildProcess): Promise<Outcome> {
  const started = performance.now();
  let text = "";
  const keep = (chunk: Buffer) => {
    text += chunk;
    process.stderr.write(chunk);
  };
  child.stdout?.on("data", keep);
  child.stderr?.on("data", keep);
  return new Promise((done, fail) => {
    child.once("error", fail);
    child.once("close", (code) => done({ code: code ?? 1, text, seconds: (performance.now() - started) / 1000 }));
  });
}
