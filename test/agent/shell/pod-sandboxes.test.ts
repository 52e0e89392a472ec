// SPDX-License-Identifier: Apache-2.0
// Checks that a Pod's cgroup is found under either driver of the kubelet, and its device only where a route leads to it alone.

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { findDevices, findPodCgroup, findSandbox } from "../../../agent/shell/pod-sandboxes.ts";

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

describe("the devices of Pods", () => {
  const pod = (uid: string, ...ips: string[]) => ({ name: `ns/${uid}`, uid, ips });
  /** Answers for these addresses alone, all at once. */
  const routed =
    (routes: Readonly<Record<string, object>>) => async (options: readonly string[], batch?: readonly string[]) => {
      expect(options).toEqual(["-j"]);
      const asked = (batch ?? []).map((line) => line.replace(/^route get /, ""));
      const known = asked.filter((dst) => routes[dst] !== undefined);
      return known.map((dst) => `${JSON.stringify([{ dst, ...routes[dst] }])}\n`).join("");
    };

  test("are those of the routes to their addresses, asked all at once", async () => {
    let asked = 0;
    const run = routed({ "10.244.0.5": { dev: "veth5" }, "10.244.0.6": { dev: "veth6" }, "fd00::6": { dev: "veth6" } });
    const pods = [pod("five", "10.244.0.5"), pod("six", "10.244.0.6", "fd00:0::6"), pod("seven", "10.244.0.7")];
    const found = await findDevices(pods, ["eth0"], (...call) => {
      asked++;
      return run(...call);
    });
    expect(found).toMatchObject([{ value: "veth5" }, { value: "veth6" }, { status: "rejected" }]);
    expect(asked).toBe(1);
  });

  const elsewhere: [why: string, route: object | undefined][] = [
    ["by a gateway", { dev: "veth1", gateway: "192.0.2.1" }],
    ["by the node's own device", { dev: "eth0" }],
    ["to the host itself", { dev: "lo" }],
    ["nowhere", undefined],
  ];
  test.each(elsewhere)("are refused where the route leads %s", async (_, route) => {
    const [found] = await findDevices([pod("p", "10.244.0.5")], ["eth0"], routed(route ? { "10.244.0.5": route } : {}));
    expect(String((found as PromiseRejectedResult).reason)).toMatch(/route to 10\.244\.0\.5/);
  });

  test("are not asked for by what is no address, whatever else it says", async () => {
    const run = async (_: readonly string[], batch?: readonly string[]) => {
      expect(batch).toEqual([]);
      return "";
    };
    const [found] = await findDevices([pod("p", "10.244.0.5\nlink set eth0 down")], ["eth0"], run);
    expect(found?.status).toBe("rejected");
  });

  test("are told by the routing table of the machine, for those addresses that it has a route to", async () => {
    const [found, lost] = await findDevices([pod("here", "127.0.0.1"), pod("lost", "0.0.0.1")], []);
    expect(String((found as PromiseRejectedResult).reason)).toContain("the route to 127.0.0.1 is by lo");
    expect(lost?.status).toBe("rejected");
  });

  test("are one for all addresses of a Pod, or the Pod stays as it is", async () => {
    mkdirSync(join(root, `kubepods/pod${UID}`), { recursive: true });
    const run = routed({ "10.244.0.5": { dev: "veth4" }, "fd00::5": { dev: "veth6" } });
    const options = { cgroup2: root, nodeDevices: ["eth0"], run };
    expect(await findSandbox(pod(UID, "10.244.0.5"), options)).toEqual({
      device: "veth4",
      cgroup: join(root, `kubepods/pod${UID}`),
    });
    await expect(findSandbox(pod(UID, "10.244.0.5", "fd00::5"), options)).rejects.toThrow("behind 2 devices");
    await expect(findSandbox(pod("none", "10.244.0.5"), options)).rejects.toThrow("no cgroup2 for it");
  });
});
