// SPDX-License-Identifier: Apache-2.0
// Checks the CNI configuration: what it says, that it is written only when it changes, and that it is taken back.

import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CONFLIST_NAME, installPodNetwork, removePodNetwork } from "../../../agent/shell/pod-network.ts";

let confPath: string;
beforeEach(() => {
  confPath = mkdtempSync(join(tmpdir(), "sansproxy-cni-"));
});
afterEach(() => rmSync(confPath, { recursive: true }));

const installed = () => JSON.parse(readFileSync(join(confPath, CONFLIST_NAME), "utf8"));

test("gives pods a veth pair with an address of the Node's networks and a default route of each family", async () => {
  expect(await installPodNetwork(["10.244.1.0/24", "fd00:1::/64"], { confPath, mtu: 1400 })).toBe(true);
  expect(installed()).toEqual({
    cniVersion: "1.0.0",
    name: "sansproxy",
    plugins: [
      {
        type: "ptp",
        mtu: 1400,
        ipMasq: false,
        ipam: {
          type: "host-local",
          ranges: [[{ subnet: "10.244.1.0/24" }], [{ subnet: "fd00:1::/64" }]],
          routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }],
        },
      },
    ],
  });
});

test("leaves an unchanged file alone and replaces a changed one, with nothing beside it", async () => {
  await installPodNetwork(["10.244.1.0/24"], { confPath, mtu: 1500 });
  const before = statSync(join(confPath, CONFLIST_NAME)).ino;
  expect(await installPodNetwork(["10.244.1.0/24"], { confPath, mtu: 1500 })).toBe(false);
  expect(statSync(join(confPath, CONFLIST_NAME)).ino).toBe(before);
  expect(await installPodNetwork(["10.244.2.0/24"], { confPath, mtu: 1500 })).toBe(true);
  expect(readdirSync(confPath)).toEqual([CONFLIST_NAME]);
});

test("removes its file when it is no longer wanted", async () => {
  await installPodNetwork(["10.244.1.0/24"], { confPath, mtu: 1500 });
  expect(await removePodNetwork(confPath)).toBe(true);
  expect(await removePodNetwork(confPath)).toBe(false);
  expect(readdirSync(confPath)).toEqual([]);
});

test("says which folder must be writable when it is not there", async () => {
  const missing = join(confPath, "missing");
  await expect(installPodNetwork(["10.244.1.0/24"], { confPath: missing, mtu: 1500 })).rejects.toThrow(
    /cannot write the CNI configuration .*ENOENT.*mount the host's/,
  );
});
