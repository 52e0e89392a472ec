// SPDX-License-Identifier: Apache-2.0
// Shows that a machine's specification is accepted whole or refused with the property, the rule and the remedy.

import fc from "fast-check";
import { expect, test } from "vitest";
import { parseMachineSpec, parseNetworkSpec, parseSubnet } from "../../../../stacks/local/machines/spec.ts";

const authorizedKey = `ssh-ed25519 ${"A".repeat(68)}`;
const good = {
  stack: "local",
  name: "cp-1",
  address: "10.89.0.11",
  memoryMb: 2048,
  authorizedKey,
  bridge: { name: "sansproxy0", cidr: "10.89.0.0/24" },
};

const parse = (change: object) => parseMachineSpec(JSON.stringify({ ...good, ...change }));

test("a whole specification is given back as it is", () => {
  expect(parse({})).toEqual(good);
  expect(parse({ cpus: 2 })).toEqual({ ...good, cpus: 2 });
  const dual = { ipv6Address: "fd00:1::11", bridge: { ...good.bridge, ipv6Cidr: "fd00:1::/64" } };
  expect(parse(dual)).toEqual({ ...good, ...dual });
});

test.each([
  ["stack", { stack: "../etc" }],
  ["name", { name: "" }],
  ["name", { name: "CP" }],
  ["address", { address: "10.89.1.11" }],
  ["address", { address: "10.89.0.1" }],
  ["address", { address: "10.89.0.255" }],
  ["memoryMb", { memoryMb: 100 }],
  ["memoryMb", { memoryMb: "2048" }],
  ["cpus", { cpus: 0.5 }],
  ["authorizedKey", { authorizedKey: "ssh-rsa AAAA" }],
  ["authorizedKey", { authorizedKey: `${authorizedKey}\n${authorizedKey}` }],
  ["bridge", { bridge: undefined }],
  ["bridge.name", { bridge: { name: "much-too-long-a-name", cidr: "10.89.0.0/24" } }],
  ["bridge.cidr", { bridge: { name: "br0", cidr: "10.89.0.1/24" } }],
  ["bridge.ipv6Cidr", { bridge: { ...good.bridge, ipv6Cidr: "fd00:1::/48" } }],
  ["ipv6Address", { bridge: { ...good.bridge, ipv6Cidr: "fd00:1::/64" } }],
  ["ipv6Address", { ipv6Address: "fd00:1::11" }],
  ["ipv6Address", { ipv6Address: "fd00:1::1", bridge: { ...good.bridge, ipv6Cidr: "fd00:1::/64" } }],
  ["ipv6Address", { ipv6Address: "fd00:2::11", bridge: { ...good.bridge, ipv6Cidr: "fd00:1::/64" } }],
  ["disk", { disk: "10G" }],
])("a bad `%s` is refused by name (%j)", (property, change) => {
  expect(() => parse(change)).toThrow(`\`${property}\``);
});

test("what is no JSON object is refused", () => {
  expect(() => parseMachineSpec("{")).toThrow("not JSON");
  expect(() => parseNetworkSpec("[]")).toThrow("not a JSON object");
});

test("a network needs no machine, and takes no property of one", () => {
  expect(parseNetworkSpec(JSON.stringify({ stack: "local", bridge: good.bridge }))).toEqual({
    stack: "local",
    bridge: good.bridge,
  });
  expect(() => parseNetworkSpec(JSON.stringify(good))).toThrow("`name`");
});

test("the box holds the first address of any subnet", () => {
  fc.assert(
    fc.property(fc.nat(2 ** 32 - 1), fc.integer({ min: 8, max: 29 }), (bits, prefixLength) => {
      const size = 2 ** (32 - prefixLength);
      const network = Math.floor(bits / size) * size;
      const dotted = (value: number) => [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
      expect(parseSubnet("cidr", `${dotted(network)}/${prefixLength}`).gateway).toBe(dotted(network + 1));
    }),
  );
});
