// SPDX-License-Identifier: Apache-2.0
// Checks that a name is asked for until it has addresses, and no longer than it is wanted.

import { expect, test } from "vitest";
import { hostAddresses } from "../../../agent/shell/host-addresses.ts";

const retry = { firstMs: 1, limitMs: 2 };
const { signal } = new AbortController();

test("an address is its own", async () => {
  expect(await hostAddresses("192.0.2.1", { signal })).toEqual(["192.0.2.1"]);
  expect(await hostAddresses("2001:db8::1", { signal })).toEqual(["2001:db8::1"]);
});

test("a name that is not known yet is asked for again, and all of its addresses count", async () => {
  const answers = [[], [{ address: "192.0.2.1" }, { address: "192.0.2.2" }]];
  let asked = 0;
  const look = async () => {
    asked++;
    if (asked === 1) throw new Error("getaddrinfo EAI_AGAIN");
    return answers.shift() ?? [];
  };
  expect(await hostAddresses("api.example", { signal, look, retry })).toEqual(["192.0.2.1", "192.0.2.2"]);
  expect(asked).toBe(3);
});

test("the asking ends when it is told to stop", async () => {
  const ending = new AbortController();
  const look = async () => {
    ending.abort();
    return [];
  };
  expect(await hostAddresses("api.example", { signal: ending.signal, look })).toEqual([]);
});
