// SPDX-License-Identifier: Apache-2.0
// What the load client takes for a change of the place that a Service leads to.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Cleanup, Netns } from "../../support/netns.ts";
import { Backends } from "./backends.ts";
import { compile } from "./compile.ts";
import { LoadClient } from "./load.ts";

const PORT = 8080;
const SERVICE = "127.0.0.5";
const [OLD, NEW] = ["127.0.0.1", "127.0.0.2"];

let cleanup: Cleanup;
let directory: string;
let netns: Netns;

beforeEach(() => {
  cleanup = new Cleanup();
  directory = mkdtempSync(join(tmpdir(), "sansproxy-load-test-"));
  cleanup.add(() => rmSync(directory, { recursive: true }));
  netns = new Netns("load", cleanup);
});

afterEach(() => cleanup.run());

/** Leads connections to the Service to these places in turn. */
function lead(...places: readonly string[]): void {
  const file = join(directory, "rules");
  const turns = places.map((place, turn) => `${turn} : ${place}`).join(", ");
  const rule = `ip daddr ${SERVICE} dnat to numgen inc mod ${places.length} map { ${turns} }`;
  writeFileSync(
    file,
    `flush ruleset\ntable ip lead { chain output { type nat hook output priority -100; ${rule}; }; }\n`,
  );
  netns.run("nft", "-f", file);
}

test("without a Service all backends are asked in turn", async () => {
  await Backends.start(compile("backends", directory), netns, cleanup, PORT);
  const client = new LoadClient(compile("load", directory), netns, cleanup);
  const direct = { address: OLD, port: PORT, firstBackend: OLD, backends: 2 };
  // Everyone who asks the second one is told of another backend.
  netns.run("nft", `add table ip lead { chain output { type nat hook output priority -100; }; }`);
  netns.run("nft", `add rule ip lead output ip daddr ${NEW} tcp dport ${PORT} dnat to 127.0.0.9`);
  expect(await client.connects(direct, 40)).toMatchObject({ done: 20, wrong: 20 });
});

test("a Service has moved when all its connections are led anew, and not when one of some is", async () => {
  await Backends.start(compile("backends", directory), netns, cleanup, PORT);
  const client = new LoadClient(compile("load", directory), netns, cleanup);
  const target = { address: SERVICE, port: PORT, firstBackend: NEW, backends: 1 };
  lead(NEW, OLD, OLD, OLD);
  const mixed = await client.until(target, 500);
  expect(mixed.done).toBeGreaterThan(0);
  expect(mixed.atNs).toBe(0);
  lead(NEW, NEW);
  expect((await client.until(target, 20_000)).atNs).toBeGreaterThan(mixed.lastOtherNs);
});
