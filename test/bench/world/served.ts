// SPDX-License-Identifier: Apache-2.0
// Waits until a proxy serves every Service, each from its own backends, or the moved endpoint, and says when it did.
import { Nonsense } from "../suite.ts";
import type { BenchWorld, Side } from "./bench-world.ts";
import type { LoadClient } from "./load.ts";
import type { ServiceProxy } from "./proxies.ts";

const TIMEOUT_MS = 300_000;
const STEP_MS = 2_000;
const STEER_TIMEOUT_MS = 60_000;

/** The client whose connections a proxy is meant to serve. */
export const clientOf = (side: Side): LoadClient => (side.setup.startsWith("ours") ? side.inside : side.outside);

/** CLOCK_MONOTONIC in nanoseconds at the answer after which no Service was missing any more. */
export async function allServed(world: BenchWorld, side: Side, proxy: ServiceProxy): Promise<number> {
  const client = clientOf(side);
  const { services } = world.shape;
  const deadline = performance.now() + TIMEOUT_MS;
  for (let swept = 0; performance.now() < deadline; ) {
    proxy.checkAlive();
    const { atNs } = await client.until(world.service(services - 1), STEP_MS);
    if (atNs === 0) continue;
    const tally = await client.sweep(world.service(0), services);
    swept += 1;
    if (tally.wrong > 0) throw new Nonsense(`${side.setup}: others' backends answered for ${tally.wrong} Services`);
    // A later sweep has shown the first that it found something missing: then the time is the sweep's own.
    if (tally.done === services) return swept === 1 ? atNs : Number(process.hrtime.bigint());
  }
  throw new Error(`${side.setup} did not serve ${services} Services within ${TIMEOUT_MS} ms:\n${proxy.lastLines()}`);
}

/** From the bytes' way to the socket until a new connection reaches the new place, and how many were lost before. */
export async function steered(
  world: BenchWorld,
  side: Side,
  place: number,
): Promise<{ readonly ms: number; readonly failed: number }> {
  const { setup } = side;
  const seen = clientOf(side).until(world.moving(place), STEER_TIMEOUT_MS);
  // The client asks again and again while the change comes.
  await new Promise((resume) => setTimeout(resume, 20));
  const { atNs } = await world.api({ op: "move", place });
  const { atNs: steeredNs, failed } = await seen;
  if (steeredNs === 0)
    throw new Nonsense(`${setup}: the moved endpoint got no connection within ${STEER_TIMEOUT_MS} ms`);
  const ms = (steeredNs - Number(atNs)) / 1e6;
  if (ms < 0) throw new Nonsense(`${setup}: the new endpoint answered ${-ms} ms before it was announced`);
  return { ms, failed };
}
