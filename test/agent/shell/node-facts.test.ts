// SPDX-License-Identifier: Apache-2.0
// Checks which devices face the network, and that a machine that cannot serve is told what it lacks.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  checkForwarding,
  defaultRouteDevice,
  interfaces,
  presentDevices,
  smallestMtu,
  strictReversePathDevices,
} from "../../../agent/shell/node-facts.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "sansproxy-facts-"));
});
afterEach(() => rmSync(root, { recursive: true }));

function file(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

test("finds the default route of the lowest metric", () => {
  const header = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT";
  const rows = [
    "wlan0\t00000000\t0102A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0",
    "eth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0",
    "eth1\t0000A8C0\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0",
  ];
  file("route", `${[header, ...rows].join("\n")}\n`);
  expect(defaultRouteDevice(root)).toBe("eth0");
  file("route", `${header}\n`);
  expect(defaultRouteDevice(root)).toBeUndefined();
});

test("takes the smallest MTU of the devices, and none when one of them has gone", async () => {
  const links = [
    { ifname: "lo", mtu: 65_536 },
    { ifname: "eth0", mtu: 1500 },
    { ifname: "eth1", mtu: 1400 },
  ];
  const ip = async () => JSON.stringify(links);
  expect(await smallestMtu(["eth0", "eth1"], ip)).toBe(1400);
  await expect(smallestMtu([], ip)).rejects.toThrow("not all there");
  await expect(smallestMtu(["eth0", "eth2"], ip)).rejects.toThrow("eth0, eth2 are not all there");
});

test("says how to let the node forward when it does not", async () => {
  file("net/ipv4/ip_forward", "0\n");
  await expect(checkForwarding(root)).rejects.toThrow("set net.ipv4.ip_forward=1 in /etc/sysctl.d");
  file("net/ipv4/ip_forward", "1\n");
  await expect(checkForwarding(root)).resolves.toBeUndefined();
});

test("finds devices with a strict reverse path filter: the larger of all and their own", () => {
  file("net/ipv4/conf/all/rp_filter", "1\n");
  file("net/ipv4/conf/eth0/rp_filter", "0\n");
  file("net/ipv4/conf/eth1/rp_filter", "2\n");
  expect(strictReversePathDevices(["eth0", "eth1"], root)).toEqual(["eth0"]);
});

test("devices are read from the process's own network namespace", () => {
  file("dev", "Inter-|   Receive\n face |bytes\n    lo: 1 2\nveth0a1b: 3 4\n eth0.5:0 0\n");
  expect(presentDevices(root)).toEqual(new Set(["lo", "veth0a1b", "eth0.5"]));
});

test("a device without an address is one of the interfaces all the same", () => {
  const names = interfaces().map(({ name }) => name);
  expect(names).toEqual([...presentDevices()]);
  expect(interfaces().find(({ name }) => name === "lo")?.addresses).toContain("127.0.0.1");
});
