// SPDX-License-Identifier: Apache-2.0
// What the traffic counts: refused, cut and wrong answers are seen, and nothing else is.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Cleanup, Netns } from "../../support/netns.ts";
import { Backends } from "./backends.ts";
import { compile } from "./compile.ts";
import { Traffic, type TrafficCounts, type TrafficTarget } from "./traffic.ts";

const PORT = 8080;
const LOAD = { perSecond: 400, longConnections: 6 };
const [HERE, THERE] = ["127.0.0.1", "127.0.0.2"];

let cleanup: Cleanup;
let directory: string;
let netns: Netns;
let backends: Backends;

beforeEach(async () => {
  cleanup = new Cleanup();
  directory = mkdtempSync(join(tmpdir(), "sansproxy-traffic-test-"));
  cleanup.add(() => rmSync(directory, { recursive: true }));
  netns = new Netns("traffic", cleanup);
  backends = await Backends.start(compile("backends", directory), netns, cleanup, PORT);
});

afterEach(() => cleanup.run());

const answeredBy = (address: string, firstBackend = address, backends_ = 1): TrafficTarget => ({
  ...{ address, port: PORT, firstBackend, backends: backends_ },
});

async function begin(targets: readonly TrafficTarget[]): Promise<Traffic> {
  const traffic = new Traffic(compile("traffic", directory), { netns, cleanup }, targets, LOAD);
  await traffic.begun;
  return traffic;
}

/** Once the counts are so. */
async function until(traffic: Traffic, so: (counts: TrafficCounts) => boolean): Promise<void> {
  await expect.poll(async () => so(await traffic.now()), { timeout: 20_000, interval: 10 }).toBe(true);
}

test("where everything answers nothing is lost, and it is told who answered", async () => {
  const traffic = await begin([answeredBy(HERE)]);
  await until(traffic, ({ connections, requests }) => connections >= 200 && requests >= 20);
  expect(await traffic.end()).toMatchObject({
    ...{ failed: 0, wrong: 0, longConnections: 6, broken: 0, newest: HERE },
  });
});

test("a place that is gone fails each new connection, and keeps its long ones", async () => {
  const traffic = await begin([answeredBy(HERE), answeredBy(THERE)]);
  await backends.refuse(THERE);
  const before = await traffic.now();
  await until(traffic, ({ connections }) => connections >= before.connections + 200);
  const { connections, failed, broken, newest } = await traffic.end();
  // Every second connection from then on; those of the moment of the refusal may be on either side.
  expect(failed).toBeGreaterThanOrEqual(99);
  expect(failed).toBeLessThanOrEqual(connections / 2 + 1);
  expect({ broken, newest }).toEqual({ broken: 0, newest: HERE });
});

test("answers of others are wrong, those of either of two are not", async () => {
  const either = { ...answeredBy(HERE, "127.0.0.9"), otherBackend: HERE };
  const right = await begin([either, answeredBy(THERE, "127.0.0.1", 4)]);
  await until(right, ({ connections }) => connections >= 50);
  expect((await right.end()).wrong).toBe(0);
  const wrong = await begin([answeredBy(HERE), answeredBy(THERE, "127.0.0.9")]);
  await until(wrong, ({ connections }) => connections >= 50);
  const counts = await wrong.end();
  // With the first answers of three of the long connections.
  expect(counts.wrong).toBe(Math.floor(counts.connections / 2) + 3);
});

test("a connection that nobody answers is lost after a while, and a long one that is cut off is broken", async () => {
  const traffic = await begin([answeredBy(HERE)]);
  netns.ip("link", "set", "lo", "down");
  await until(traffic, ({ failed, broken }) => failed > 0 && broken === 6);
  netns.ip("link", "set", "lo", "up");
  const { failed } = await traffic.now();
  const answered = (await traffic.now()).connections + 400;
  await until(traffic, ({ connections }) => connections >= answered);
  const counts = await traffic.end();
  expect(counts.broken).toBe(6);
  // What was begun while there was no way; nothing that was begun after it.
  expect(counts.failed).toBeGreaterThanOrEqual(failed);
  expect(counts.failed).toBeLessThan(counts.connections - 200);
});
