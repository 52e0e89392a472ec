// SPDX-License-Identifier: Apache-2.0
// A machine that cannot carry the datapath is refused with what is missing and what to do; one that can, with no more rights.
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { judgeMachine, type MachineFacts } from "../../agent/shell/kernel/preconditions.ts";
import { objectsDir, World } from "./world.ts";

const able: MachineFacts = {
  kernelRelease: "6.6.0-1-amd64",
  architecture: "x64",
  endianness: "LE",
  capabilities: (1n << 12n) | (1n << 38n) | (1n << 39n),
};

let world: World;

beforeAll(() => {
  world = new World();
});

afterAll(() => world.cleanup.run());

test("a machine with a new kernel and three capabilities is accepted without a word", () => {
  expect(judgeMachine(able)).toEqual({ problems: [], advice: [] });
});

test.each<[string, Partial<MachineFacts>, RegExp]>([
  ["an old kernel", { kernelRelease: "6.1.0-40-amd64" }, /kernel is 6\.1\.0-40-amd64.*boot a newer kernel/],
  ["an older major version", { kernelRelease: "5.15.0" }, /kernel is 5\.15\.0/],
  ["a big-endian machine", { architecture: "s390x", endianness: "BE" }, /machine is s390x \(BE\)/],
  ["no CAP_BPF", { capabilities: (1n << 12n) | (1n << 38n) }, /CAP_BPF is missing.*add BPF/],
  ["no CAP_NET_ADMIN", { capabilities: (1n << 38n) | (1n << 39n) }, /CAP_NET_ADMIN is missing.*add NET_ADMIN/],
])("%s is refused in one sentence with the remedy", (_, facts, problem) => {
  const { problems } = judgeMachine({ ...able, ...facts });
  expect(problems).toEqual([expect.stringMatching(problem)]);
});

test("without CAP_PERFMON the datapath works, and is said to be slower", () => {
  const { problems, advice } = judgeMachine({ ...able, capabilities: (1n << 12n) | (1n << 39n) });
  expect(problems).toEqual([]);
  expect(advice).toEqual([expect.stringMatching(/CAP_PERFMON.*add PERFMON/)]);
});

/** Opens, configures and attaches a datapath in a process with these capabilities only. */
function openWith(capabilities: readonly string[], bpfRoot = world.bpfRoot, cgroupRoot = world.cgroup) {
  const program = `
    const { Datapath } = await import(${JSON.stringify(join(import.meta.dirname, "../../agent/shell/kernel/datapath.ts"))});
    const datapath = new Datapath({ bpfRoot: ${JSON.stringify(bpfRoot)}, cgroupRoot: ${JSON.stringify(cgroupRoot)}, objectsDir: ${JSON.stringify(objectsDir())} });
    datapath.read();
    console.log(datapath.attach(["eth0"]).attached.length + datapath.attach(["eth0"]).kept.length);
    datapath.close();
  `;
  const bounds = ["-all", ...capabilities.map((name) => `+${name}`)].join(",");
  const argv = ["setpriv", "--bounding-set", bounds, "--inh-caps=-all", "--no-new-privs", process.execPath];
  return spawnSync("nsenter", [`--net=${world.node.path}`, ...argv, "--input-type=module", "-e", program], {
    encoding: "utf8",
  });
}

test("CAP_BPF and CAP_NET_ADMIN are enough to load, pin and attach everything, and to find it again", () => {
  const { stdout, stderr } = openWith(["bpf", "net_admin"]);
  expect(stderr).toBe("");
  expect(stdout).toBe("26\n");
});

test.each([
  ["bpf", ["net_admin", "perfmon"], /CAP_BPF is missing/],
  ["net_admin", ["bpf", "perfmon"], /CAP_NET_ADMIN is missing/],
])("without CAP_%s nothing is touched, and the error says so", (_, capabilities, problem) => {
  const { status, stderr } = openWith(capabilities);
  expect(status).not.toBe(0);
  expect(stderr).toMatch(problem);
});

test("a folder that is no bpffs, and one that has no cgroup2, are both named", () => {
  const { stderr } = openWith(["bpf", "net_admin"], tmpdir(), tmpdir());
  expect(stderr).toContain(`${tmpdir()} is not a bpffs; mount one there`);
  expect(stderr).toContain(`no cgroup2 at ${tmpdir()}`);
});
