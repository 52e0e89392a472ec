// SPDX-License-Identifier: Apache-2.0
// Creates and deletes one machine: its disk, identity, process and the wait until it can be reached.

import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../host/exec.ts";
import { machinesRoot } from "../host/paths.ts";
import { step } from "../host/progress.ts";
import { makeCgroups, removeCgroups } from "./cgroups.ts";
import { machineImage } from "./image.ts";
import { mountOverlay, unmountBelow } from "./mounts.ts";
import { bridgesOf } from "./network.ts";
import * as nspawn from "./nspawn.ts";
import { waitUntilReachable } from "./readiness.ts";
import { type MachineSpec, parseIpv6Subnet, parseSubnet } from "./spec.ts";

/** What the stack gets to know about a machine. */
export interface Machine {
  readonly name: string;
  readonly address: string;
  readonly sshPort: 22;
  readonly user: "root";
  readonly hostKey: string;
}

interface MachineRecord {
  readonly spec: MachineSpec;
  readonly image: string;
  readonly process?: nspawn.ProcessIdentity;
}

/** What a running machine can take on without being made anew. */
const changeable = ["memoryMb", "cpus"];

/** Folders that have to lie on the box's own file system: no overlay can lie on an overlay. */
const ownFolders = ["var/lib/containerd"];

export const folderOf = (stack: string, name: string): string => join(machinesRoot, stack, name);
const cgroupOf = (stack: string, name: string): string => `sansproxy/${stack}/${name}`;
const machineId = (stack: string, name: string): string => `${stack}-${name}`;

/** Makes the machine, completes a half-made one, or finds the running one; returns when it can be reached. */
export async function createMachine(spec: MachineSpec): Promise<Machine> {
  const folder = folderOf(spec.stack, spec.name);
  const before = await readRecord(folder);
  const changed = before === undefined ? [] : differences(before.spec, spec);
  const fixed = changed.filter((property) => !changeable.includes(property));
  if (fixed.length > 0) {
    throw new Error(
      `Machine ${spec.name} of stack ${spec.stack} exists with another specification ` +
        `(${fixed.join(", ")}): delete it first, or run \`npm run down\` and start again.`,
    );
  }
  if (!(await bridgesOf(spec.stack)).includes(spec.bridge.name)) {
    throw new Error(`Bridge ${spec.bridge.name} of stack ${spec.stack} does not exist: run network-create first.`);
  }
  const image = before?.image ?? (await machineImage());
  let record: MachineRecord = before === undefined ? { spec, image } : { ...before, spec };
  const hostKey = await prepareDisk(folder, record);
  await writeRecord(folder, record);
  if (record.process === undefined || !(await nspawn.isAlive(record.process))) {
    // What an earlier, dead run of this machine left in its cgroups would share the new one's limits.
    await endProcesses(spec.stack, spec.name);
    await mountOverlay(image, join(folder, "upper"), join(folder, "work"), join(folder, "root"));
    record = { ...record, process: await start(folder, spec) };
    await writeRecord(folder, record);
  } else if (changed.length > 0) await limit(spec);
  const identity = record.process;
  if (identity === undefined) throw new Error(`Machine ${spec.name} has no process.`);
  await step(`machine ${spec.name} (${spec.address}) boots`, (note) =>
    waitUntilReachable(
      { identity, name: spec.name, address: spec.address, hostKey, consoleLog: consoleLog(folder) },
      note,
    ),
  );
  return { name: spec.name, address: spec.address, sshPort: 22, user: "root", hostKey };
}

/** Ends the machine and removes all it had; a machine that is not there is no error. */
export async function deleteMachine(stack: string, name: string): Promise<void> {
  await endProcesses(stack, name);
  await nspawn.removeTraces(machineId(stack, name), join(folderOf(stack, name), "root"));
  await unmountBelow(folderOf(stack, name));
  await rm(folderOf(stack, name), { recursive: true, force: true });
}

export interface ListedMachine {
  readonly name: string;
  readonly address: string;
  readonly running: boolean;
  /** The public key that may log in: it tells whose machine this is. Unknown of one that is only half made. */
  readonly authorizedKey: string | undefined;
}

/** Machines of a stack with their state, for people and tests. */
export async function listMachines(stack: string): Promise<ListedMachine[]> {
  const root = join(machinesRoot, stack);
  if (!existsSync(root)) return [];
  const found = [];
  for (const entry of await readdir(root, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const record = await readRecord(join(root, entry.name));
    const running = record?.process !== undefined && (await nspawn.isAlive(record.process));
    const { address = "", authorizedKey } = record?.spec ?? {};
    found.push({ name: entry.name, address, running, authorizedKey });
  }
  return found;
}

async function endProcesses(stack: string, name: string): Promise<void> {
  if (nspawn.systemdRunsThisBox()) {
    const unit = nspawn.unitOf(machineId(stack, name));
    const state = await run("systemctl", ["show", "--value", "--property=LoadState", unit]);
    if (state.trim() !== "not-found") {
      await run("systemctl", ["kill", "--signal=SIGKILL", unit]).catch(() => "");
      await run("systemctl", ["stop", unit]);
    }
    return;
  }
  // Only processes of the machine's own cgroup are ended: a process id in a record may be somebody else's by now.
  await removeCgroups(cgroupOf(stack, name));
}

async function start(folder: string, spec: MachineSpec): Promise<nspawn.ProcessIdentity> {
  const launch: nspawn.Launch = {
    machine: machineId(spec.stack, spec.name),
    hostname: spec.name,
    root: join(folder, "root"),
    bridge: spec.bridge.name,
    binds: ownFolders.map((path) => [join(folder, "own", path), `/${path}`] as const),
    consoleLog: consoleLog(folder),
    memoryMb: spec.memoryMb,
    ...(spec.cpus === undefined ? {} : { cpus: spec.cpus }),
  };
  if (nspawn.systemdRunsThisBox()) return await nspawn.launchAsUnit(launch);
  return await nspawn.launchInCgroups(launch, await makeCgroups(cgroupOf(spec.stack, spec.name), spec));
}

/** Gives a running machine the limits of a changed specification. */
async function limit(spec: MachineSpec): Promise<void> {
  if (!nspawn.systemdRunsThisBox()) {
    await makeCgroups(cgroupOf(spec.stack, spec.name), spec);
    return;
  }
  const unit = nspawn.unitOf(machineId(spec.stack, spec.name));
  await run("systemctl", ["set-property", "--runtime", unit, ...nspawn.unitLimits(spec)]);
}

/** Writes the machine's own files into its layer, before the layer is mounted; returns its SSH host key. */
async function prepareDisk(folder: string, record: MachineRecord): Promise<string> {
  const { spec } = record;
  const upper = join(folder, "upper");
  for (const path of ["upper", "work", "root"]) await mkdir(join(folder, path), { recursive: true });
  for (const path of ownFolders) await mkdir(join(folder, "own", path), { recursive: true });
  const keyFile = join(upper, "etc/ssh/ssh_host_ed25519_key");
  if (existsSync(join(folder, "disk-ready"))) return publicKey(await readFile(`${keyFile}.pub`, "utf8"));
  const write = async (path: string, text: string, mode = 0o644) => {
    await mkdir(join(upper, path, ".."), { recursive: true });
    await writeFile(join(upper, path), text, { mode });
  };
  const { prefixLength, gateway } = parseSubnet("bridge.cidr", spec.bridge.cidr);
  await write("etc/hostname", `${spec.name}\n`);
  await write("etc/hosts", `127.0.0.1 localhost\n::1 localhost\n${spec.address} ${spec.name}\n`);
  await write("etc/machine-id", `${crypto.randomUUID().replaceAll("-", "")}\n`, 0o444);
  // Nothing answers at the box: a name outside the cluster fails at once instead of after a time-out.
  await write("etc/resolv.conf", `nameserver ${gateway}\n`);
  await write(
    "etc/sansproxy/network.env",
    `ADDRESS=${spec.address}/${prefixLength}\nGATEWAY=${gateway}\n${ipv6Of(spec)}`,
  );
  await mkdir(join(upper, "root/.ssh"), { recursive: true, mode: 0o700 });
  await write("root/.ssh/authorized_keys", `${spec.authorizedKey}\n`, 0o600);
  await mkdir(join(keyFile, ".."), { recursive: true });
  await rm(keyFile, { force: true });
  await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", spec.name, "-f", keyFile]);
  await writeFile(join(folder, "disk-ready"), "");
  return publicKey(await readFile(`${keyFile}.pub`, "utf8"));
}

/** Lines for the machine's static IPv6 address; none in a network of one family. */
function ipv6Of({ ipv6Address, bridge }: MachineSpec): string {
  if (ipv6Address === undefined) return "";
  return `ADDRESS6=${ipv6Address}/64\nGATEWAY6=${parseIpv6Subnet("bridge.ipv6Cidr", bridge.ipv6Cidr).gateway}\n`;
}

const consoleLog = (folder: string): string => join(folder, "console.log");

/** Type and key of a public key line, without its comment. */
function publicKey(line: string): string {
  return line.trim().split(" ").slice(0, 2).join(" ");
}

async function readRecord(folder: string): Promise<MachineRecord | undefined> {
  const file = join(folder, "machine.json");
  return existsSync(file) ? (JSON.parse(await readFile(file, "utf8")) as MachineRecord) : undefined;
}

async function writeRecord(folder: string, record: MachineRecord): Promise<void> {
  const file = join(folder, "machine.json");
  await writeFile(`${file}.new`, JSON.stringify(record), { mode: 0o600 });
  await rename(`${file}.new`, file);
}

function differences(before: MachineSpec, after: MachineSpec): string[] {
  const old = new Map(entries(before));
  const now = new Map(entries(after));
  return [...new Set([...old.keys(), ...now.keys()])].filter((key) => old.get(key) !== now.get(key));
}

function entries(spec: MachineSpec): [string, string][] {
  const { bridge, ...rest } = spec;
  const flat = { ...rest, "bridge.name": bridge.name, "bridge.cidr": bridge.cidr, "bridge.ipv6Cidr": bridge.ipv6Cidr };
  return Object.entries(flat)
    .map(([key, value]): [string, string] => [key, String(value)])
    .sort(([a], [b]) => (a < b ? -1 : 1));
}
