// SPDX-License-Identifier: Apache-2.0
// Checks that a Pod's cgroup is found under either driver of the kubelet, and its device only where a route leads to it alone.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { findPodCgroup, findSandbox, podDevice, presentDevices } from "../../../agent/shell/pod-sandboxes.ts";

const UID = "0b8f7c1e-1111-4222-8333-444455556666";
const UNDERSCORED = UID.replaceAll("-", "_");
const OTHER = UID.replace("0b8f", "ffff");

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "sansproxy-cgroup-"));
  mkdirSync(join(root, `system.slice/pod${UID}`), { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true }));

describe("the cgroup of a Pod", () => {
  const places = [
    `kubepods/pod${UID}`,
    `kubepods/burstable/pod${UID}`,
    `kubepods/besteffort/pod${UID}`,
    `kubelet/kubepods/burstable/pod${UID}`,
    `kubepods.slice/kubepods-pod${UNDERSCORED}.slice`,
    `kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod${UNDERSCORED}.slice`,
    `kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod${UNDERSCORED}.slice`,
  ];
  test.each(places)("is found at %s", (place) => {
    mkdirSync(join(root, place, "container"), { recursive: true });
    mkdirSync(join(root, place.replace(UID, OTHER).replace(UNDERSCORED, OTHER.replaceAll("-", "_"))), {
      recursive: true,
    });
    expect(findPodCgroup(root, UID)).toBe(join(root, place));
  });

  test("is never one that is not below the kubelet's", () => {
    expect(findPodCgroup(root, UID)).toBeUndefined();
  });
});

describe("the device of a Pod", () => {
  const routed = (route: object) => async (args: readonly string[]) => {
    expect(args).toEqual(["-j", "route", "get", "10.244.0.5"]);
    return JSON.stringify([{ dst: "10.244.0.5", ...route }]);
  };

  test("is the one of the route to its address", async () => {
    expect(await podDevice("10.244.0.5", ["eth0"], routed({ dev: "veth1" }))).toBe("veth1");
  });

  const elsewhere: [why: string, route: object][] = [
    ["by a gateway", { dev: "veth1", gateway: "192.0.2.1" }],
    ["by the node's own device", { dev: "eth0" }],
    ["to the host itself", { dev: "lo" }],
    ["nowhere", {}],
  ];
  test.each(elsewhere)("is refused where the route leads %s", async (_, route) => {
    await expect(podDevice("10.244.0.5", ["eth0"], routed(route))).rejects.toThrow(/route to 10\.244\.0\.5/);
  });

  test("is one for all addresses of the Pod, or the Pod stays as it is", async () => {
    mkdirSync(join(root, `kubepods/pod${UID}`), { recursive: true });
    const run = async (args: readonly string[]) =>
      JSON.stringify([{ dev: args.at(-1)?.includes(":") ? "veth6" : "veth4" }]);
    const pod = { name: "ns/p", uid: UID, ips: ["10.244.0.5"] };
    const options = { cgroup2: root, nodeDevices: ["eth0"], run };
    expect(await findSandbox(pod, options)).toEqual({ device: "veth4", cgroup: join(root, `kubepods/pod${UID}`) });
    await expect(findSandbox({ ...pod, ips: ["10.244.0.5", "fd00::5"] }, options)).rejects.toThrow("behind 2 devices");
    await expect(findSandbox({ ...pod, uid: "none" }, options)).rejects.toThrow("no cgroup2 for it");
  });
});

test("devices are read from the process's own network namespace", () => {
  writeFileSync(join(root, "dev"), "Inter-|   Receive\n face |bytes\n    lo: 1 2\nveth0a1b: 3 4\n eth0.5:0 0\n");
  expect(presentDevices(root)).toEqual(new Set(["lo", "veth0a1b", "eth0.5"]));
});
