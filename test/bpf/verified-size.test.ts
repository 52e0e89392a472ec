// SPDX-License-Identifier: Apache-2.0
// How much of each program the verifier walks: printed, and never close to what older kernels refuse.
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Datapath } from "../../agent/shell/kernel/datapath.ts";
import { World } from "./world.ts";

const MOST_INSTRUCTIONS = 100_000;
let world: World;
let datapath: Datapath;

beforeAll(() => {
  world = new World();
  datapath = world.datapath();
});

afterAll(() => world.cleanup.run());

test("no program takes the verifier more than 100,000 instructions", () => {
  const sizes = [...datapath.programs().keys()].sort().map((name) => {
    return [name, datapath.describeProgram(name).verifiedInstructions] as const;
  });
  console.log(sizes.map(([name, size]) => `${name.padEnd(16)} ${size} instructions verified`).join("\n"));
  expect(sizes.length).toBeGreaterThan(12);
  for (const [name, size] of sizes) {
    expect(size, name).toBeGreaterThan(0);
    expect(size, name).toBeLessThanOrEqual(MOST_INSTRUCTIONS);
  }
});
