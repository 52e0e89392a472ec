// SPDX-License-Identifier: Apache-2.0
// A short comparison of XDP with tc on random packets, from another seed each time.
import { expect, test } from "vitest";
import { compareRoads } from "../fuzz/roads.ts";

const SEQUENCES = 400;

test("what XDP does with a packet, tc would have done too", async () => {
  const seed = Math.floor(Math.random() * 0xffffffff);
  console.log(`seed ${seed}`);
  const { packets, accelerated, differences } = await compareRoads(SEQUENCES, seed);
  console.log(`${packets} packets, ${accelerated} of them forwarded by XDP`);
  expect(differences).toEqual([]);
  // What is not met is not tested.
  expect(accelerated).toBeGreaterThan(packets / 20);
}, 120_000);
