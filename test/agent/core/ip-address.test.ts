// SPDX-License-Identifier: Apache-2.0
// Checks that every spelling of an address gets the one text that Node.js and the kernel give it, and nonsense none.

import { SocketAddress } from "node:net";
import fc from "fast-check";
import { expect, test } from "vitest";
import { familyOf, parseIp } from "../../../agent/core/ip-address.ts";

test("spells an IPv6 address as the system does, however it was written", () => {
  fc.assert(
    fc.property(fc.ipV6(), (text) => {
      const parsed = parseIp(text);
      expect(parsed?.family).toBe(6);
      const system = new SocketAddress({ family: "ipv6", address: text }).address;
      // The system writes addresses that begin with 96 zero bits in the dotted way.
      expect(parseIp(system)).toEqual(parsed);
      if (!system.includes(".")) expect(parsed?.text).toBe(system);
    }),
    { numRuns: 2000 },
  );
});

test("keeps an IPv4 address as it is", () => {
  fc.assert(
    fc.property(fc.ipV4(), (text) => {
      expect(parseIp(text)).toEqual({ family: 4, text });
    }),
  );
});

test.each([
  "",
  "1.2.3",
  "1.2.3.4.5",
  "1.2.3.256",
  "01.2.3.4",
  "1.2.3.4/8",
  "1::2::3",
  "1:2:3:4:5:6:7",
  "1:2:3:4:5:6:7:8:9",
  "::g",
  "1:2:3:4:5:6:7::8:9",
  "fe80::1%eth0",
  ":1:2:3:4:5:6:7",
  "name",
])("does not take %j for an address", (text) => expect(parseIp(text)).toBeUndefined());

test("tells the family of a network", () => {
  expect([familyOf("10.0.0.0/8"), familyOf("fd00::/8"), familyOf("x/8")]).toEqual([4, 6, undefined]);
});
