// SPDX-License-Identifier: Apache-2.0
// Shows where a machine's limits go on a box with v1 controllers and on one with cgroup2 only.

import { expect, test } from "vitest";
import { hierarchiesOf, limitFiles } from "../../../../stacks/local/machines/cgroups.ts";

const hybrid = `tmpfs /sys/fs/cgroup tmpfs rw 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,relatime,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,relatime,name=systemd 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
`;

test("every hierarchy of a hybrid box is found with its controllers", () => {
  expect(hierarchiesOf(hybrid)).toEqual([
    { mountPoint: "/sys/fs/cgroup/cpu,cpuacct", controllers: ["cpu", "cpuacct"], version: 1 },
    { mountPoint: "/sys/fs/cgroup/memory", controllers: ["memory"], version: 1 },
    { mountPoint: "/sys/fs/cgroup/systemd", controllers: ["name=systemd"], version: 1 },
    { mountPoint: "/sys/fs/cgroup/unified", controllers: [], version: 2 },
  ]);
});

test("a box with one cgroup2 hierarchy has just that", () => {
  expect(hierarchiesOf("cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n")).toEqual([
    { mountPoint: "/sys/fs/cgroup", controllers: [], version: 2 },
  ]);
});

test("limits are written where the controller is, and only there", () => {
  const limits = { memoryMb: 1024, cpus: 2 };
  const [cpu, memory, systemd, unified] = hierarchiesOf(hybrid).map((hierarchy) => limitFiles(hierarchy, limits));
  expect(cpu).toEqual([["cpu.cfs_quota_us", "200000"]]);
  expect(memory).toEqual([["memory.limit_in_bytes", "1073741824"]]);
  expect(systemd).toEqual([]);
  expect(unified).toEqual([
    ["memory.max", "1073741824"],
    ["cpu.max", "200000 100000"],
  ]);
});

test("no CPU limit takes an earlier one away", () => {
  const [cpu, , , unified] = hierarchiesOf(hybrid).map((hierarchy) => limitFiles(hierarchy, { memoryMb: 1024 }));
  expect(cpu).toEqual([["cpu.cfs_quota_us", "-1"]]);
  expect(unified).toContainEqual(["cpu.max", "max 100000"]);
});
