// SPDX-License-Identifier: Apache-2.0
// Checks which devices face the network, and that the loss of one is told and does not keep the others from being served.

import { expect, test } from "vitest";
import { NodeDevices } from "../../../agent/shell/node-devices.ts";

const NODE_ADDRESSES = ["192.0.2.1"];
const present: Record<string, string[]> = {
  lo: ["127.0.0.1"],
  eth0: ["192.0.2.1"],
  eth1: ["198.51.100.1"],
  vethabc: [],
};

function devicesOf(asked: string[], route?: string) {
  let there = present;
  const devices = new NodeDevices({
    nodeName: "n",
    asked,
    look: () => Object.entries(there).map(([name, addresses]) => ({ name, addresses })),
    defaultRoute: () => route,
  });
  const choose = (now = present, nodeAddresses = NODE_ADDRESSES) => {
    there = now;
    return devices.choose(nodeAddresses).map(({ name, addresses }) => [name, ...addresses].join(" "));
  };
  return { choose, problems: () => devices.problems().map(({ reason, message }) => `${reason} ${message}`) };
}

const ETH0 = "eth0 192.0.2.1";
const ETH1 = "eth1 198.51.100.1";

test.each([
  ["that holds the node's address", [], undefined, [ETH0]],
  ["of the default route, too", [], "eth1", [ETH0, ETH1]],
  ["that was asked for, alone", ["eth1"], "eth0", [ETH1]],
  ["that match a pattern", ["eth+"], undefined, [ETH0, ETH1]],
  ["that was asked for and has no address", ["vethabc"], undefined, ["vethabc"]],
])("chooses the devices %s", (_, asked, route, expected) => {
  const { choose, problems } = devicesOf(asked, route);
  expect(choose()).toEqual(expected);
  expect(problems()).toEqual([]);
});

test("refuses to start when none that was asked for is there, naming those that are", () => {
  expect(() => devicesOf(["bond0"]).choose()).toThrow(
    "devices: no interface of this node matches bond0 (it has lo, eth0, eth1, vethabc); correct the value or leave it out",
  );
});

test("asks for devices when none can be found out", () => {
  expect(() => devicesOf([]).choose(present, ["203.0.113.9"])).toThrow("set the value devices");
});

test.each([[["eth0", "eth1"]], [[]]])(
  "a device that loses its carrier keeps its place and addresses (asked: %s)",
  (asked) => {
    const { choose, problems } = devicesOf(asked, "eth1");
    choose();
    for (let round = 0; round < 2; round++) expect(choose({ ...present, eth0: [] })).toEqual([ETH0, ETH1]);
    expect(problems()).toEqual([]);
  },
);

test("an address that has moved to another device is that one's", () => {
  const { choose } = devicesOf([]);
  choose();
  expect(choose({ ...present, eth0: [], bond0: ["192.0.2.1"] })).toEqual(["bond0 192.0.2.1"]);
});

test("one that is not there is told, the others are served, and all are well when it is back", () => {
  const { choose, problems } = devicesOf(["eth0", "bond0"]);
  expect(choose()).toEqual([ETH0]);
  expect(problems()).toEqual([expect.stringMatching(/^DeviceMissing Node n: .* bond0, .*correct the value devices/)]);
  expect(choose({ ...present, bond0: [] })).toEqual(["bond0", ETH0]);
  expect(problems()).toEqual([]);
});

test.each([[["eth0"]], [[]]])(
  "when the last has gone, that is told too, and Services are followed on (asked: %s)",
  (asked) => {
    const { choose, problems } = devicesOf(asked);
    choose();
    expect(choose({ lo: [] })).toEqual([]);
    expect(problems()).toEqual([expect.stringContaining("not at eth0")]);
    expect(choose()).toEqual([ETH0]);
    expect(problems()).toEqual([]);
  },
);
