// SPDX-License-Identifier: Apache-2.0
// The machines of a simulated account: made by the local stack's own means, filled from its bundle, worked on over SSH.
import { execFile, execFileSync } from "node:child_process";
import { constants, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import {
  type Bundle,
  type BundleFile,
  bundleVariables,
  filesForRole,
  readBundle,
  remotePath,
} from "../../../../components/internal/bare-metal/bundle.ts";
import { scriptBody, shellWord } from "../../../../components/internal/bare-metal/scripts.ts";
import { createMachine, deleteMachine, folderOf } from "../../../../stacks/local/machines/machine.ts";
import { createNetwork } from "../../../../stacks/local/machines/network.ts";
import { sweep } from "../../../../stacks/local/machines/sweep.ts";
import type { MachineSettings } from "../account.ts";

/** Machines get addresses from here on; the box has the first one of the network. */
const firstHost = 11;
const stepSeconds = 900;

/**
 * What sshd's shell runs for a script. A bash that thinks it is sshd's first one reads the machine's own start-up files,
 * which are not written for `-u`: an empty script then ends with their failure.
 */
export const stepCommand = (script: string): string =>
  `timeout -k 10 ${stepSeconds} bash --norc -euo pipefail -c ${shellWord(script)}`;

const ours = "ghcr.io/sansproxy/agent:";

export type MachineRole = "control-plane" | "worker";

/** What is installed on a machine: of the bundle, only what runs there. */
const neededOn = (role: MachineRole, { images = [] }: BundleFile): boolean =>
  !images.some((image) => image.includes("/agnhost:") || (role === "control-plane" && image.startsWith(ours)));

/** The bundle, and the name of the agent's image in it. */
export const machineBundle = (folder: string): { bundle: Bundle; agentImage: string } => {
  const bundle = readBundle("bundle", folder);
  if ("reason" in bundle) throw new Error(`${bundle.reason} (\`npm run toolchain\` makes it)`);
  const agentImage = bundle.files.flatMap(({ images = [] }) => images).find((image) => image.startsWith(ours));
  if (agentImage === undefined) throw new Error(`the bundle ${folder} has no image of the agent`);
  return { bundle, agentImage };
};

export class Machines {
  readonly settings: MachineSettings;
  readonly #folder: string;
  readonly #key: string;

  constructor(accountDirectory: string, settings: MachineSettings) {
    this.settings = settings;
    this.#folder = join(accountDirectory, "machines");
    this.#key = join(this.#folder, "id_ed25519");
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
  }

  /** Makes the network and the key that all machines of the account share, on a box without its machines. */
  async prepare(): Promise<void> {
    await this.remove();
    const { stack, bridge, subnet } = this.settings;
    await createNetwork({ stack, bridge: { name: bridge, cidr: subnet } });
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "simulated", "-f", this.#key]);
  }

  /** Takes every trace of the account's machines from this box. */
  async remove(): Promise<void> {
    await sweep(this.settings.stack);
  }

  /** Takes an address for a machine, once and for all of its life. */
  #address(name: string): string {
    const base = this.settings.subnet.split(".").slice(0, 3).join(".");
    for (let host = firstHost; host < 250; host += 1) {
      const file = join(this.#folder, `address-${host}`);
      try {
        writeFileSync(file, name, { flag: "wx" });
        return `${base}.${host}`;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
        if (readFileSync(file, "utf8") === name) return `${base}.${host}`;
      }
    }
    throw new Error(`the network ${this.settings.subnet} has no address left`);
  }

  get privateKey(): string {
    return readFileSync(this.#key, "utf8");
  }

  /** Makes a machine on which nothing of Kubernetes is. */
  async boot(name: string, memoryMb: number): Promise<{ address: string; hostKey: string }> {
    const { stack, bridge, subnet } = this.settings;
    const authorizedKey = readFileSync(`${this.#key}.pub`, "utf8").trim();
    const address = this.#address(name);
    const place = { stack, bridge: { name: bridge, cidr: subnet } };
    const { hostKey } = await createMachine({ ...place, name, address, memoryMb, authorizedKey });
    writeFileSync(join(this.#folder, `${name}.known`), `${address} ${hostKey}\n`);
    writeFileSync(join(this.#folder, `${name}.address`), address);
    return { address, hostKey };
  }

  /** Makes a machine and installs Kubernetes' programs and images on it; gives its address. */
  async create(name: string, memoryMb: number, role: MachineRole): Promise<string> {
    const { address } = await this.boot(name, memoryMb);
    const whole = machineBundle(this.settings.bundle).bundle;
    const bundle = { ...whole, files: whole.files.filter((file) => neededOn(role, file)) };
    for (const file of filesForRole(bundle, role)) {
      await this.place(name, join(bundle.folder, file.path), remotePath(file));
    }
    const variables = {
      ...{ HOST_NAME: name, HOST_ADDRESS: address, HOST_IPV6: "", HOST_ROLE: role },
      KUBERNETES_VERSION: bundle.kubernetesVersion,
      ...bundleVariables(bundle, role),
    };
    const words = Object.entries(variables).map(([variable, value]) => `${variable}=${shellWord(value)}`);
    await this.run(name, `${words.join("\n")}\n${scriptBody("prepare")}\nrun_create </dev/null`);
    return address;
  }

  /** Puts a file of this box onto the machine's disk. */
  async place(name: string, file: string, path: string): Promise<void> {
    const target = join(folderOf(this.settings.stack, name), "root", path);
    mkdirSync(dirname(target), { recursive: true });
    await copyFile(file, target, constants.COPYFILE_FICLONE);
  }

  #ssh(name: string): string[] {
    const known = join(this.#folder, `${name}.known`);
    const address = readFileSync(join(this.#folder, `${name}.address`), "utf8");
    const options = ["StrictHostKeyChecking=yes", `UserKnownHostsFile=${known}`, "BatchMode=yes", "LogLevel=ERROR"];
    return ["-F", "none", "-i", this.#key, ...options.flatMap((option) => ["-o", option]), `root@${address}`];
  }

  /** Runs a script on the machine; gives its stdout, and fails with what it said on stderr. */
  async run(name: string, script: string, input = ""): Promise<string> {
    const running = promisify(execFile)("ssh", [...this.#ssh(name), stepCommand(script)], { maxBuffer: 1 << 24 });
    // A step that fails ends before it has read all; what it said tells why, not the broken pipe.
    running.child.stdin?.on("error", () => undefined).end(input);
    try {
      return (await running).stdout;
    } catch (error) {
      const { stderr } = error as { readonly stderr?: string };
      throw new Error(`machine ${name}: a step failed:\n${(stderr ?? String(error)).slice(-3000)}`);
    }
  }

  async write(name: string, path: string, content: string): Promise<void> {
    await this.run(name, `mkdir -p "$(dirname ${shellWord(path)})"; cat >${shellWord(path)}`, content);
  }

  /** Removes the machine; one that is only half made as well. */
  async delete(name: string): Promise<void> {
    await deleteMachine(this.settings.stack, name);
    for (const suffix of ["address", "known"]) rmSync(join(this.#folder, `${name}.${suffix}`), { force: true });
  }
}
