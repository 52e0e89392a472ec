// SPDX-License-Identifier: Apache-2.0
// The machines of a simulated account: made by the local stack's own means, filled from its bundle, worked on over SSH.
import { execFile, execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import {
  bundleVariables,
  filesForRole,
  readBundle,
  remotePath,
} from "../../../../components/internal/bare-metal/bundle.ts";
import { scriptBody, shellWord } from "../../../../components/internal/bare-metal/scripts.ts";
import type { MachineSettings } from "../account.ts";

const repository = join(import.meta.dirname, "../../../..");
const cli = join(repository, "stacks/local/machines/cli.ts");
const machinesRoot = "/var/lib/sansproxy";
/** Machines get addresses from here on; the box has the first one of the network. */
const firstHost = 11;
const stepSeconds = 900;

interface Made {
  readonly address: string;
  readonly hostKey: string;
}

export class Machines {
  readonly #settings: MachineSettings;
  readonly #folder: string;

  constructor(accountDirectory: string, settings: MachineSettings) {
    this.#settings = settings;
    this.#folder = join(accountDirectory, "machines");
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
  }

  #key(): string {
    const file = join(this.#folder, "id_ed25519");
    if (!existsSync(file)) execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "simulated", "-f", file]);
    return file;
  }

  /** Runs one of the machines' commands, as the local stack does; what it says on stderr is the reason of a failure. */
  #command(verb: string, specification: object): string {
    return execFileSync(process.execPath, ["--disable-warning=ExperimentalWarning", cli, verb], {
      cwd: repository,
      input: JSON.stringify(specification),
      stdio: "pipe",
      encoding: "utf8",
    });
  }

  /** Takes an address for a machine, once and for all of its life. */
  #address(name: string): string {
    const base = this.#settings.subnet.split(".").slice(0, 3).join(".");
    for (let host = firstHost; host < 250; host += 1) {
      try {
        writeFileSync(join(this.#folder, `address-${host}`), name, { flag: "wx" });
        return `${base}.${host}`;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
        if (readFileSync(join(this.#folder, `address-${host}`), "utf8") === name) return `${base}.${host}`;
      }
    }
    throw new Error(`the network ${this.#settings.subnet} has no address left`);
  }

  /** Makes the machine and installs Kubernetes' programs and images on it; gives its address. */
  async create(name: string, memoryMb: number, role: "control-plane" | "worker", signal: AbortSignal): Promise<string> {
    const { stack, bridge, subnet, bundle: folder } = this.#settings;
    const network = { stack, bridge: { name: bridge, cidr: subnet } };
    const authorizedKey = readFileSync(`${this.#key()}.pub`, "utf8").trim();
    const address = this.#address(name);
    this.#command("network-create", network);
    signal.throwIfAborted();
    // Its address is noted first: a machine that is only half made has to be found again.
    writeFileSync(join(this.#folder, `${name}.json`), JSON.stringify({ address, hostKey: "" }));
    const said = this.#command("create", { ...network, name, address, memoryMb, authorizedKey });
    const { hostKey } = JSON.parse(said) as { hostKey: string };
    writeFileSync(join(this.#folder, `${name}.json`), JSON.stringify({ address, hostKey }));
    writeFileSync(join(this.#folder, `${name}.known`), `${address} ${hostKey}\n`);
    const bundle = readBundle("bundle", folder);
    if ("reason" in bundle) throw new Error(bundle.reason);
    const disk = join(machinesRoot, stack, name, "root");
    for (const file of filesForRole(bundle, role)) {
      const target = join(disk, remotePath(file));
      mkdirSync(join(target, ".."), { recursive: true });
      copyFileSync(join(bundle.folder, file.path), target);
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

  #ssh(name: string): string[] {
    const known = join(this.#folder, `${name}.known`);
    const { address } = JSON.parse(readFileSync(join(this.#folder, `${name}.json`), "utf8")) as Made;
    const options = ["StrictHostKeyChecking=yes", `UserKnownHostsFile=${known}`, "BatchMode=yes", "LogLevel=ERROR"];
    return ["-F", "none", "-i", this.#key(), ...options.flatMap((option) => ["-o", option]), `root@${address}`];
  }

  /** Runs a script on the machine; gives its stdout, and fails with what it said on stderr. */
  async run(name: string, script: string, input = ""): Promise<string> {
    const command = `timeout -k 10 ${stepSeconds} bash -euo pipefail -c ${shellWord(script)}`;
    const running = promisify(execFile)("ssh", [...this.#ssh(name), command], { maxBuffer: 1 << 24 });
    running.child.stdin?.end(input);
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

  /** Removes the machine, and the network with the last one. */
  async delete(name: string): Promise<void> {
    const file = join(this.#folder, `${name}.json`);
    if (!existsSync(file)) return;
    const { stack, bridge, subnet } = this.#settings;
    const { address } = JSON.parse(readFileSync(file, "utf8")) as Made;
    const authorizedKey = readFileSync(`${this.#key()}.pub`, "utf8").trim();
    const network = { stack, bridge: { name: bridge, cidr: subnet } };
    this.#command("delete", { ...network, name, address, memoryMb: 1024, authorizedKey });
    for (const suffix of ["json", "known"]) rmSync(join(this.#folder, `${name}.${suffix}`), { force: true });
    if (!readdirSync(this.#folder).some((entry) => entry.endsWith(".json"))) this.#command("network-delete", network);
  }
}
