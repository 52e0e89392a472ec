// SPDX-License-Identifier: Apache-2.0
// How long the oldest change waits, by a clock that the test sets.

import { beforeEach, expect, test } from "vitest";
import { SyncLag } from "../../../agent/shell/sync-lag.ts";

let now: number;
let lag: SyncLag;
beforeEach(() => {
  now = 1_000;
  lag = new SyncLag(() => now);
});

test("there is none while nothing was asked for, also while a sync looks at everything", () => {
  now += 60_000;
  expect(lag.seconds).toBe(0);
  lag.began();
  now += 1_000;
  expect(lag.seconds).toBe(0);
  lag.ended(true);
  expect(lag.seconds).toBe(0);
});

test("it counts from the first change that waits, through the sync that works on it, to that sync's end", () => {
  lag.asked();
  now += 500;
  lag.asked();
  lag.began();
  now += 500;
  expect(lag.seconds).toBe(1);
  lag.ended(true);
  expect(lag.seconds).toBe(0);
});

test("a change that comes during a sync waits from then on, not from the sync's end", () => {
  lag.began();
  lag.asked();
  now += 2_000;
  lag.ended(true);
  expect(lag.seconds).toBe(2);
});

test("what a sync could not do has been waiting since it was asked for", () => {
  lag.asked();
  lag.began();
  now += 1_000;
  lag.asked();
  lag.ended(false);
  now += 1_000;
  expect(lag.seconds).toBe(2);
  lag.began();
  lag.ended(true);
  expect(lag.seconds).toBe(0);
});
