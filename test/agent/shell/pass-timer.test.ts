// SPDX-License-Identifier: Apache-2.0
// When passes begin, by a clock of the test's own.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { PassTimer } from "../../../agent/shell/pass-timer.ts";

const COALESCE_MS = 10;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Passes take as long as is set when they begin. */
class Passes {
  takeMs = 0;
  everything = false;
  readonly startedAt: number[] = [];
  readonly timer = new PassTimer(
    async () => {
      this.startedAt.push(performance.now());
      await new Promise((resume) => setTimeout(resume, this.takeMs));
      return Number.POSITIVE_INFINITY;
    },
    COALESCE_MS,
    () => this.everything,
  );
  readonly #begunAt = performance.now();

  request(everything: boolean, takeMs: number): void {
    Object.assign(this, { everything, takeMs });
    this.timer.request();
  }

  /** Of all passes, in milliseconds after the first moment. */
  get starts(): number[] {
    return this.startedAt.map((at) => Math.round(at - this.#begunAt));
  }
}

test("the first request is answered at once, and so is one after a quiet time", async () => {
  const passes = new Passes();
  passes.request(false, 0);
  await vi.advanceTimersByTimeAsync(1000);
  passes.request(false, 0);
  await vi.advanceTimersByTimeAsync(1000);
  expect(passes.starts).toEqual([0, 1000]);
});

test("requests that come close together are one pass, a little later", async () => {
  const passes = new Passes();
  passes.request(false, 0);
  await vi.advanceTimersByTimeAsync(2);
  for (let request = 0; request < 5; request++) passes.request(false, 0);
  await vi.advanceTimersByTimeAsync(1000);
  expect(passes.starts).toHaveLength(2);
  expect(passes.starts[1]).toBeGreaterThanOrEqual(COALESCE_MS);
  expect(passes.starts[1]).toBeLessThan(COALESCE_MS + 5);
});

test("a look at everything rests for as long as the last one took", async () => {
  const passes = new Passes();
  passes.request(true, 400);
  await vi.advanceTimersByTimeAsync(450);
  for (let request = 0; request < 5; request++) passes.request(true, 400);
  await vi.advanceTimersByTimeAsync(2000);
  expect(passes.starts).toHaveLength(2);
  expect(passes.starts[1]).toBeGreaterThanOrEqual(800);
});

test("changed endpoints do not wait because a look at everything took long", async () => {
  const passes = new Passes();
  passes.request(true, 400);
  await vi.advanceTimersByTimeAsync(450);
  passes.request(false, 1);
  await vi.advanceTimersByTimeAsync(2000);
  expect(passes.starts).toEqual([0, 450]);
});

test("asked for during a pass, the next begins when that has ended and rested", async () => {
  const passes = new Passes();
  passes.request(false, 100);
  await vi.advanceTimersByTimeAsync(50);
  passes.request(false, 100);
  await vi.advanceTimersByTimeAsync(2000);
  expect(passes.starts[1]).toBeGreaterThanOrEqual(200);
  expect(passes.starts[1]).toBeLessThan(205);
});
