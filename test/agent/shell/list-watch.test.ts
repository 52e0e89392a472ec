// SPDX-License-Identifier: Apache-2.0
// Proves that the copy of the cluster stays right through every way in which a list or a watch can end.

import { afterEach, beforeEach, expect, test } from "vitest";
import { ApiClient } from "../../../agent/shell/api-client.ts";
import { ListWatch, type ListWatchLimits, type WatchRestart } from "../../../agent/shell/list-watch.ts";
import { createLog } from "../../../agent/shell/log.ts";
import { FakeApiServer, type FakeObject, fail } from "./fake-api-server.ts";

let server: FakeApiServer;
let client: ApiClient;
let watch: ListWatch<string>;
let restarts: WatchRestart[];
let lines: string[];
let sizes: number[];

beforeEach(async () => {
  server = new FakeApiServer();
  await server.start();
  restarts = [];
  lines = [];
  sizes = [];
});

afterEach(async () => {
  await watch.stop();
  client.close();
  await server[Symbol.asyncDispose]();
});

function follow(limits: Partial<ListWatchLimits> = {}): void {
  client = new ApiClient(server.address);
  watch = new ListWatch<string>({
    client,
    path: "/api/v1/things",
    view: (json) => `${(json as FakeObject).metadata.name}=${(json as FakeObject).note}`,
    key: (object) => object.split("=")[0] ?? "",
    log: createLog("debug", (line) => lines.push(line)),
    onChange: () => sizes.push(watch.objects.size),
    onRestart: (reason) => restarts.push(reason),
    limits: { backoff: { firstMs: 5, limitMs: 20 }, ...limits },
  });
  watch.start();
}

const copy = () => [...watch.objects.values()].sort();
const seen = (...objects: string[]) => expect.poll(copy).toEqual(objects);
const watching = () => expect.poll(() => server.watches).toBe(1);

test("lists in pages before it counts as synced", async () => {
  for (let index = 0; index < 7; index++) server.set(`thing-${index}`, "x");
  follow({ pageSize: 3 });
  expect(watch.synced).toBe(false);
  await expect.poll(() => watch.synced).toBe(true);
  expect(watch.objects.size).toBe(7);
  expect(sizes[0]).toBe(7);
  expect(server.requests.slice(0, 3)).toEqual(["list", "list+", "list+"]);
});

test("has the list streamed where the server can, and follows changes by the same request", async () => {
  server.streams = true;
  for (let index = 0; index < 7; index++) server.set(`thing-${index}`, "x");
  follow();
  await expect.poll(() => watch.synced).toBe(true);
  expect(sizes).toEqual([7]);
  server.set("thing-0", "y");
  server.delete("thing-1");
  await expect.poll(copy).toEqual(["thing-0=y", ...[2, 3, 4, 5, 6].map((index) => `thing-${index}=x`)]);
  expect(server.requests).toEqual(["stream"]);
});

test("keeps the copy until a new stream is whole, and goes on from the last version when one is cut", async () => {
  server.streams = true;
  server.set("a", "1");
  follow();
  await watching();
  server.resetWatches();
  server.set("b", "missed while away");
  await seen("a=1", "b=missed while away");
  expect(server.requests.filter((request) => request === "stream")).toHaveLength(1);
  server.faults.push((response) => response.writeHead(200).end(""));
  server.compact();
  server.expireWatches();
  await expect.poll(() => server.requests.filter((request) => request === "list")).toHaveLength(1);
  expect(sizes.every((size, index) => index === 0 || size >= (sizes[index - 1] ?? 0))).toBe(true);
  server.set("c", "1");
  await seen("a=1", "b=missed while away", "c=1");
});

test("follows what is added, changed and deleted, also when characters arrive in pieces", async () => {
  follow();
  await watching();
  server.set("a", "größer ✓");
  server.set("b", "1");
  await seen("a=größer ✓", "b=1");
  server.set("b", "2");
  server.delete("a");
  await seen("b=2");
});

test("goes on from the last version after a reset connection, without a new list", async () => {
  server.set("a", "1");
  follow();
  await watching();
  server.set("a", "2");
  await seen("a=2");
  server.resetWatches();
  server.set("b", "missed while away");
  await seen("a=2", "b=missed while away");
  expect(server.requests.filter((request) => request === "list")).toHaveLength(1);
  expect(restarts).toContain("failed");
});

test("goes on from the last bookmark", async () => {
  follow();
  await watching();
  const version = server.bookmark();
  await expect.poll(() => watch.resourceVersion).toBe(String(version));
  server.resetWatches();
  await expect.poll(() => server.requests.at(-1)).toBe(`watch@${version}`);
});

test("survives many resets one after another", async () => {
  follow();
  for (let round = 0; round < 10; round++) {
    await watching();
    server.resetWatches();
    server.set("a", String(round));
    await seen(`a=${round}`);
  }
});

test("watches again at once when the server ends a watch in good order", async () => {
  follow();
  await watching();
  server.set("a", "1");
  await seen("a=1");
  server.endWatches();
  await watching();
  expect(restarts).toEqual(["ended"]);
});

test("lists again when the history it missed is gone, and loses nothing meanwhile", async () => {
  server.set("a", "1");
  server.set("b", "1");
  follow();
  await watching();
  await server.stop();
  server.delete("a");
  server.set("c", "1");
  server.compact();
  await server.start();
  await seen("b=1", "c=1");
  expect(restarts).toContain("expired");
  expect(Math.min(...sizes)).toBeGreaterThan(0);
});

test("lists again when a running watch reports 410", async () => {
  server.set("a", "1");
  follow();
  await watching();
  server.expireWatches();
  await watching();
  expect(server.requests.filter((request) => request === "list")).toHaveLength(2);
  expect(copy()).toEqual(["a=1"]);
});

test("takes a silent connection for dead", async () => {
  follow({ watch: { responseTimeoutMs: 1000, idleTimeoutMs: 100 } });
  await watching();
  server.forgetWatches();
  server.set("a", "unseen by the silent watch");
  await seen("a=unseen by the silent watch");
  expect(lines.join("")).toContain("nothing received for 100 ms");
});

test("keeps trying while the server is away at the start", async () => {
  await server.stop();
  follow();
  await expect.poll(() => watch.lastError).toContain("ECONNREFUSED");
  expect(watch.synced).toBe(false);
  server.set("a", "1");
  await server.start();
  await seen("a=1");
  expect(watch.lastError).toBe("");
});

test("gets over errors, garbage and half a line from the server", async () => {
  server.set("a", "1");
  server.faults.push(
    (response) => fail(response, 500, "InternalError"),
    (response) => fail(response, 429, "TooManyRequests"),
    (response) => response.end("<html>"),
    (response) => response.end('{"items":[]}'),
    (response) => response.destroy(),
  );
  follow();
  await seen("a=1");
  server.faults.push(
    (response) => fail(response, 500, "InternalError"),
    (response) => response.end('{"type":"ADDED","object":{"metadata":{"name":"half'),
    (response) => response.end('{"type":"NONSENSE","object":{}}\n'),
  );
  server.resetWatches();
  server.set("b", "1");
  await seen("a=1", "b=1");
});

test("understands lines that come in pieces, also where a piece ends within a character", async () => {
  follow();
  await watching();
  const added = {
    type: "ADDED",
    object: { metadata: { namespace: "ns", name: "a", resourceVersion: "900" }, note: "ß" },
  };
  const bytes = Buffer.from(`${JSON.stringify(added)}\n\n`);
  const cut = bytes.indexOf("ß") + 1;
  server.faults.push((response) => {
    for (const [from, to] of [[0, 5] as const, [5, cut] as const, [cut, bytes.length] as const])
      response.write(bytes.subarray(from, to));
  });
  server.resetWatches();
  await seen("a=ß");
});

test("reads the token again when it has been rotated, and never writes it to the log", async () => {
  follow();
  await watching();
  server.token = "second-token";
  server.resetWatches();
  await expect.poll(() => watch.lastError).toContain("401");
  server.writeToken("second-token");
  server.set("a", "1");
  await seen("a=1");
  expect(lines.join("")).not.toMatch(/first-token|second-token/);
});

test("asks no faster than its backoff when the server ends every watch at once", async () => {
  follow({ backoff: { firstMs: 40, limitMs: 200 } });
  await watching();
  for (let i = 0; i < 3; i++) server.faults.push((response) => response.end());
  const before = performance.now();
  server.resetWatches();
  await expect.poll(() => server.faults.length).toBe(0);
  await watching();
  expect(performance.now() - before).toBeGreaterThan(40);
});
