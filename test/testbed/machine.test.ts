// SPDX-License-Identifier: Apache-2.0
// Makes a real machine, uses it over SSH, and shows that deleting it leaves the box as it was.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createMachine, deleteMachine, listMachines } from "../../stacks/local/machines/machine.ts";
import { createNetwork, deleteNetwork } from "../../stacks/local/machines/network.ts";
import type { MachineSpec } from "../../stacks/local/machines/spec.ts";
import { sweep } from "../../stacks/local/machines/sweep.ts";

const stack = "testbed";
const bridge = { name: "sptestbed0", cidr: "10.89.250.0/24" };
let keys: string;
let spec: MachineSpec;
let before: ReturnType<typeof traces>;

beforeAll(async () => {
  await sweep(stack);
  keys = mkdtempSync(join(tmpdir(), "sansproxy-testbed-"));
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(keys, "id")]);
  const authorizedKey = readFileSync(join(keys, "id.pub"), "utf8").trim();
  spec = { stack, name: "one", address: "10.89.250.11", memoryMb: 512, authorizedKey, bridge };
  before = traces();
});

afterAll(async () => {
  await sweep(stack);
  rmSync(keys, { recursive: true, force: true });
});

test("a machine answers by SSH with the host key it was made with, and has what Kubernetes needs", async () => {
  await createNetwork({ stack, bridge });
  const machine = await createMachine(spec);
  expect(machine).toMatchObject({ name: "one", address: "10.89.250.11", sshPort: 22, user: "root" });
  expect(ssh(machine.hostKey, "hostname")).toBe("one");
  expect(ssh(machine.hostKey, "systemctl is-active containerd")).toBe("active");
  expect(ssh(machine.hostKey, "findmnt -no FSTYPE /sys/fs/bpf")).toBe("bpf");
  expect(ssh(machine.hostKey, "sysctl -n -w net.ipv4.ip_forward=1")).toBe("1");
  expect(ssh(machine.hostKey, "ip -4 route show default")).toContain("via 10.89.250.1");
});

test("making it again keeps the running machine, and only its limits can change", async () => {
  const first = await createMachine(spec);
  const boot = ssh(first.hostKey, "cat /etc/machine-id; stat -c %Y /proc/1");
  expect(await createMachine({ ...spec, memoryMb: 768 })).toEqual(first);
  expect(ssh(first.hostKey, "cat /etc/machine-id; stat -c %Y /proc/1")).toBe(boot);
  await expect(createMachine({ ...spec, address: "10.89.250.12" })).rejects.toThrow(
    /another specification \(address\)/,
  );
});

test("a machine whose processes were killed is completed with its disk and key", async () => {
  const first = await createMachine({ ...spec, memoryMb: 768 });
  ssh(first.hostKey, "touch /kept");
  const record = JSON.parse(readFileSync(`/var/lib/sansproxy/${stack}/one/machine.json`, "utf8"));
  process.kill(record.process.pid, "SIGKILL");
  await expect.poll(async () => (await listMachines(stack))[0]?.running).toBe(false);
  const second = await createMachine({ ...spec, memoryMb: 768 });
  expect(second.hostKey).toBe(first.hostKey);
  expect(ssh(second.hostKey, "ls /kept")).toBe("/kept");
});

test("deleting the machine and its network leaves no link, mount, cgroup, process or file", async () => {
  await deleteMachine(stack, "one");
  await deleteNetwork(stack, bridge.name);
  await sweep(stack);
  expect(traces()).toEqual(before);
});

test("deleting what is not there is no error", async () => {
  await deleteMachine(stack, "one");
  await deleteNetwork(stack, bridge.name);
  expect(await listMachines(stack)).toEqual([]);
});

/** What a machine of this stack would leave on the box. */
function traces() {
  const ours = (text: string) => text.split("\n").filter((line) => /testbed/.test(line));
  const cgroups = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .filter((line) => / cgroup2? /.test(line))
    .flatMap((line) => below(join(line.split(" ")[1] ?? "", "sansproxy")));
  return {
    links: ours(execFileSync("ip", ["-brief", "link"], { encoding: "utf8" })).map((line) => line.split(/[ @]/)[0]),
    mounts: ours(readFileSync("/proc/self/mounts", "utf8")),
    cgroups: cgroups.filter((name) => name === stack),
    processes: ours(execFileSync("ps", ["-eo", "args"], { encoding: "utf8" })).filter((line) => /nspawn/.test(line)),
    files: below("/var/lib/sansproxy").filter((name) => name === stack),
  };
}

function below(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** Runs a command in the machine by SSH, accepting no other host key. */
function ssh(hostKey: string, command: string): string {
  const known = join(keys, "known_hosts");
  writeFileSync(known, `10.89.250.11 ${hostKey}\n`);
  const options = ["-o", `UserKnownHostsFile=${known}`, "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes"];
  const args = ["-i", join(keys, "id"), ...options, "root@10.89.250.11", command];
  return execFileSync("ssh", args, { encoding: "utf8" }).trim();
}
