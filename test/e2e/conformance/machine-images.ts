// SPDX-License-Identifier: Apache-2.0
// Brings the images the tests name into the containerd of every machine, where they are not there yet.
import { spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { run } from "../../../stacks/local/host/exec.ts";
import { clone } from "../../../stacks/local/host/paths.ts";
import { step } from "../../../stacks/local/host/progress.ts";
import { folderOf, listMachines } from "../../../stacks/local/machines/machine.ts";
import type { TestImage } from "../../../stacks/local/toolchain/test-images.ts";

interface Remote {
  readonly name: string;
  /** Arguments of ssh up to the command. */
  readonly ssh: readonly string[];
}

const ctr = ["ctr", "-n", "k8s.io", "images"];

/** Imports what is missing on the stack's machines, one machine after another: unpacking takes a whole processor. */
export async function importImages(stack: string, folder: string, images: readonly TestImage[]): Promise<void> {
  for (const machine of await remotes(stack, folder)) {
    const present = new Set((await ask(machine, [...ctr, "list", "-q"])).split("\n"));
    const missing = images.filter(({ names }) => names.some((name) => !present.has(name)));
    if (missing.length === 0) continue;
    await step(`test images for ${machine.name}`, async (note) => {
      for (const image of missing) {
        note(image.names[0]);
        await importImage(machine, image);
      }
    });
  }
}

async function importImage(machine: Remote, { names, file }: TestImage): Promise<void> {
  await feed(machine, ["gunzip", "|", ...ctr, "import", "-"], file);
  const [first, ...others] = names;
  for (const name of others) await ask(machine, [...ctr, "tag", "--force", first, name]);
}

/** The running machines of the stack, each reached with its own host key. */
async function remotes(stack: string, folder: string): Promise<Remote[]> {
  const machines = (await listMachines(stack)).filter(({ running }) => running);
  if (machines.length === 0)
    throw new Error(`Stack ${stack} has no running machines: bring it up with \`npm run up\`.`);
  await mkdir(folder, { recursive: true });
  const knownHosts = join(folder, "known_hosts");
  const keys = machines.map(async ({ name, address }) => {
    const key = await readFile(join(folderOf(stack, name), "root/etc/ssh/ssh_host_ed25519_key.pub"), "utf8");
    return `${address} ${key.trim()}`;
  });
  await writeFile(knownHosts, `${(await Promise.all(keys)).join("\n")}\n`, { mode: 0o600 });
  const options = [
    "-i",
    join(clone.ssh, "id_ed25519"),
    "-o",
    `UserKnownHostsFile=${knownHosts}`,
    "-o",
    "BatchMode=yes",
  ];
  options.push("-o", "StrictHostKeyChecking=yes", "-o", "GlobalKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR");
  return machines.map(({ name, address }) => ({ name, ssh: [...options, `root@${address}`, "--"] }));
}

async function ask(machine: Remote, command: readonly string[]): Promise<string> {
  return await run("ssh", [...machine.ssh, ...command]);
}

/** Runs a command on the machine with a file as its standard input. */
async function feed(machine: Remote, command: readonly string[], file: string): Promise<void> {
  const child = spawn("ssh", [...machine.ssh, ...command], { stdio: ["pipe", "ignore", "pipe"] });
  const said: Buffer[] = [];
  child.stderr.on("data", (part: Buffer) => said.push(part));
  const ended = new Promise<number | null>((done, fail) => {
    child.on("error", fail);
    child.on("close", done);
  });
  const fed = pipeline(createReadStream(file), child.stdin);
  const [, code] = await Promise.all([fed.catch(() => undefined), ended]);
  if (code === 0) return;
  throw new Error(`${machine.name} could not import ${file} (code ${code}): ${Buffer.concat(said).toString().trim()}`);
}
