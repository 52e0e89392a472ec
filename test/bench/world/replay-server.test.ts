// SPDX-License-Identifier: Apache-2.0
// The API server's stand-in keeps an API server's promises: what was changed is in every later list, and no watch misses it.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { get } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Cleanup } from "../../support/netns.ts";
import { makeCertificate } from "./certificate.ts";
import { churnedBackend, movingBackend } from "./cluster-objects.ts";
import { LineProcess } from "./line-process.ts";
import type { ReplayCommand, ReplayReply } from "./replay-server.ts";

const SLICES = "/apis/discovery.k8s.io/v1/endpointslices";
const SERVICES = 7;
const MOVING = `service-${String(SERVICES).padStart(6, "0")}-0`;

interface Slice {
  readonly metadata: { readonly name: string; readonly resourceVersion: string };
  readonly endpoints: readonly { readonly addresses: readonly string[] }[];
}
interface Page {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: readonly Slice[];
}
interface WatchEvent {
  readonly type: string;
  readonly object: Slice & { readonly code?: number };
}

const directory = mkdtempSync(join(tmpdir(), "sansproxy-replay-test-"));
const cleanup = new Cleanup();
let server: LineProcess;
let port: number;

beforeAll(async () => {
  makeCertificate(directory, ["127.0.0.1"]);
  const program = join(import.meta.dirname, "replay-server.ts");
  const what = ["0", JSON.stringify({ services: SERVICES, endpoints: 3 }), "[]"];
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", program, directory, ...what]);
  server = new LineProcess("the API server's stand-in", child, cleanup);
  ({ listening: port } = await server.heard<{ listening: number }>());
});

afterAll(() => {
  cleanup.run();
  rmSync(directory, { recursive: true });
});

const tell = (command: ReplayCommand) => server.ask<ReplayReply>(JSON.stringify(command));
const ask = (query: string) => ({
  host: "127.0.0.1",
  ca: readFileSync(join(directory, "ca.crt")),
  port,
  path: `${SLICES}?${query}`,
});

const list = (query: string): Promise<Page> =>
  new Promise((resolve, reject) => {
    const request = get(ask(query), (response) => {
      let text = "";
      response.on("data", (bytes: Buffer) => {
        text += bytes.toString();
      });
      response.on("end", () => resolve(JSON.parse(text) as Page));
    });
    request.on("error", reject);
  });

/** The first events of a watch. */
const watch = (query: string, count: number): Promise<WatchEvent[]> =>
  new Promise((resolve, reject) => {
    const events: WatchEvent[] = [];
    const request = get(ask(`watch=true&${query}`), (response) => {
      const lines = createInterface({ input: response });
      // We end the watch ourselves.
      for (const stream of [response, lines]) stream.on("error", () => undefined);
      lines.on("line", (line) => {
        events.push(JSON.parse(line) as WatchEvent);
        if (events.length !== count) return;
        request.destroy();
        resolve(events);
      });
    });
    request.on("error", (error) => (events.length < count ? reject(error) : undefined));
  });

const addressesOf = (slice: Slice | undefined) => slice?.endpoints.flatMap(({ addresses }) => addresses);
const moving = (items: readonly Slice[]) => items.find(({ metadata }) => metadata.name === MOVING);

test("what has moved is where it is now in every later list, page by page or streamed", async () => {
  await tell({ op: "move", place: 5 });
  expect(addressesOf(moving((await list("")).items))).toEqual([movingBackend(5)]);
  const streamed = await watch("sendInitialEvents=true&resourceVersionMatch=NotOlderThan", SERVICES + 2);
  expect(addressesOf(moving(streamed.map(({ object }) => object)))).toEqual([movingBackend(5)]);
});

test("a watch begins with what has changed since the version it goes on from", async () => {
  const { metadata } = await list("");
  await tell({ op: "move", place: 6 });
  await tell({ op: "move", place: 7 });
  const events = await watch(`resourceVersion=${metadata.resourceVersion}`, 2);
  expect(events.map(({ object }) => addressesOf(object))).toEqual([[movingBackend(6)], [movingBackend(7)]]);
});

test("all pages of a list are of one moment", async () => {
  const first = await list("limit=3");
  await tell({ op: "move", place: 8 });
  const pages = [first];
  for (let next = first.metadata.continue; next; next = pages.at(-1)?.metadata.continue)
    pages.push(await list(`limit=3&continue=${encodeURIComponent(next)}`));
  const { resourceVersion } = first.metadata;
  expect(pages.map(({ metadata }) => metadata.resourceVersion)).toEqual(pages.map(() => resourceVersion));
  const items = pages.flatMap((page) => page.items);
  expect(items).toHaveLength(SERVICES + 1);
  expect(addressesOf(moving(items))).toEqual([movingBackend(7)]);
  expect(addressesOf((await watch(`resourceVersion=${resourceVersion}`, 1))[0]?.object)).toEqual([movingBackend(8)]);
});

test("a churned Service is listed as its last change left it", async () => {
  await tell({ op: "churn", perSecond: SERVICES, seconds: 1 });
  const { items } = await list("");
  const firsts = items.filter(({ metadata }) => metadata.name !== MOVING).map((slice) => addressesOf(slice)?.[0]);
  expect(firsts).toEqual(Array.from({ length: SERVICES }, (_, service) => churnedBackend(service)));
});

test("a watch from before the history is told so by 410, as an API server does", async () => {
  const { metadata } = await list("");
  await tell({ op: "churn", perSecond: 25_000, seconds: 1 });
  const [event] = await watch(`resourceVersion=${metadata.resourceVersion}`, 1);
  expect(event).toMatchObject({ type: "ERROR", object: { code: 410 } });
});
