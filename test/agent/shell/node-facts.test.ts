// SPDX-License-Identifier: Apache-2.0
// Checks which devices face the network, and that a machine that cannot serve is told what it lacks.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  checkForwarding,
  chooseDevices,
  defaultRouteDevice,
  smallestMtu,
  strictReversePathDevices,
} from "../../../agent/shell/node-facts.ts";

const present = [
  { name: "lo", addresses: ["127.0.0.1"] },
  { name: "eth0", addresses: ["192.0.2.1"] },
  { name: "eth1", addresses: ["198.51.100.1"] },
  { name: "vethabc", addresses: [] },
];

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "sansproxy-facts-"));
});
afterEach(() => rmSync(root, { recursive: true }));

function file(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

test.each([
  ["that holds the node's address", [], ["192.0.2.1"], undefined, ["eth0"]],
  ["of the default route, too", [], ["192.0.2.1"], "eth1", ["eth0", "eth1"]],
  ["that was asked for, alone", ["eth1"], ["192.0.2.1"], "eth0", ["eth1"]],
  ["that match a pattern", ["eth+"], ["192.0.2.1"], undefined, ["eth0", "eth1"]],
])("chooses the devices %s", (_, asked, addresses, route, expected) => {
  expect(chooseDevices(present, asked, addresses, route)).toEqual(expected);
});

test("refuses a device that is not there, naming those that are", () => {
  expect(() => chooseDevices(present, ["bond0"], [], undefined)).toThrow(
    "devices: no interface of this node matches bond0 (it has lo, eth0, eth1, vethabc); correct the value or leave it out",
  );
});

test("asks for devices when none can be found out", () => {
  expect(() => chooseDevices(present, [], ["203.0.113.9"], undefined)).toThrow("set the value devices");
});

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
