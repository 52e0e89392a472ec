// SPDX-License-Identifier: Apache-2.0
// Answers list and watch as an API server does, from objects made by formula: what a proxy needs of a cluster of any size.
import { readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import { createInterface } from "node:readline";
import {
  backendAddress,
  type ClusterNode,
  type ClusterShape,
  movingBackend,
  movingService,
  nodeObject,
  serviceObject,
  sliceObject,
  slicesOf,
} from "./cluster-objects.ts";

/** What it is told on stdin, one JSON a line. */
export type ReplayCommand =
  /** The moving Service's endpoint goes to this place; answers when the event was given to the sockets. */
  | { readonly op: "move"; readonly place: number }
  /** One endpoint of a Service changes, `perSecond` times a second for `seconds`, over all Services in turn. */
  | { readonly op: "churn"; readonly perSecond: number; readonly seconds: number };

export interface ReplayReply {
  /** Of CLOCK_MONOTONIC, in nanoseconds, before the bytes were handed over. */
  readonly atNs?: string;
  readonly sent?: number;
  /** The longest time by which an event went out late. */
  readonly lateMs?: number;
}

const [directory = "", port = "6443", shapeText = "{}", nodesText = "[]"] = process.argv.slice(2);
const shape = JSON.parse(shapeText) as ClusterShape;
const nodes = JSON.parse(nodesText) as readonly ClusterNode[];

interface Kind {
  readonly list: string;
  readonly apiVersion: string;
  readonly items: string[];
  readonly watches: Set<ServerResponse>;
}

const kind = (list: string, apiVersion: string, items: string[] = []): Kind => ({
  ...{ list, apiVersion, items },
  watches: new Set(),
});

const numbers = Array.from({ length: shape.services + 1 }, (_, service) => service);
const endpointSlices = kind(
  "EndpointSliceList",
  "discovery.k8s.io/v1",
  numbers.flatMap((service) => slicesOf(shape, service).map((slice) => JSON.stringify(slice))),
);
const kinds: Readonly<Record<string, Kind>> = {
  "/api/v1/services": kind(
    "ServiceList",
    "v1",
    numbers.map((service) => JSON.stringify(serviceObject(shape, service))),
  ),
  "/apis/discovery.k8s.io/v1/endpointslices": endpointSlices,
  "/api/v1/nodes": kind(
    "NodeList",
    "v1",
    nodes.map((node) => JSON.stringify(nodeObject(node))),
  ),
  "/api/v1/pods": kind("PodList", "v1"),
  "/apis/networking.k8s.io/v1/servicecidrs": kind("ServiceCIDRList", "networking.k8s.io/v1"),
};
let version = 2;

function status(response: ServerResponse, code: number, reason: string): void {
  response.writeHead(code, { "content-type": "application/json" });
  response.end(JSON.stringify({ kind: "Status", apiVersion: "v1", status: "Failure", reason, message: reason, code }));
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? "", "https://replay");
  const { pathname, searchParams: query } = url;
  if (request.method === "POST") {
    request.resume();
    response.writeHead(201, { "content-type": "application/json" }).end("{}");
    return;
  }
  const only = /^metadata\.name=(.+)$/.exec(query.get("fieldSelector") ?? "")?.[1];
  const [path = pathname, name = only] = kinds[pathname] ? [pathname] : pathname.split(/\/(?=[^/]+$)/);
  const found = kinds[path];
  if (found === undefined) {
    status(response, 404, "NotFound");
    return;
  }
  const items = name === undefined ? found.items : found.items.filter((item) => item.includes(`"name":"${name}"`));
  if (path !== pathname) one(items, response);
  else if (query.get("watch") === null) list(found, items, query, response);
  else watch(found, items, query, response);
}

function one([item]: readonly string[], response: ServerResponse): void {
  if (item === undefined) status(response, 404, "NotFound");
  else json(response).end(item);
}

const json = (response: ServerResponse): ServerResponse =>
  response.writeHead(200, { "content-type": "application/json" });

function list(found: Kind, items: readonly string[], query: URLSearchParams, response: ServerResponse): void {
  const from = Number(query.get("continue") ?? 0);
  const limit = Number(query.get("limit") ?? 0) || items.length;
  const next = from + limit < items.length ? String(from + limit) : "";
  const metadata = JSON.stringify({ resourceVersion: String(version), continue: next });
  const head = `{"kind":"${found.list}","apiVersion":"${found.apiVersion}","metadata":${metadata},"items":[`;
  json(response).end(`${head}${items.slice(from, from + limit).join(",")}]}`);
}

/** With `sendInitialEvents` the objects come first, and a bookmark says that these were all. */
function watch(found: Kind, items: readonly string[], query: URLSearchParams, response: ServerResponse): void {
  json(response).flushHeaders();
  response.socket?.setNoDelay(true);
  if (query.get("sendInitialEvents") === "true") {
    for (const item of items) response.write(event("ADDED", item));
    const annotations = { "k8s.io/initial-events-end": "true" };
    const metadata = { resourceVersion: String(version), annotations };
    const bookmark = { kind: found.list.replace(/List$/, ""), apiVersion: found.apiVersion, metadata };
    response.write(event("BOOKMARK", JSON.stringify(bookmark)));
  }
  found.watches.add(response);
  response.on("close", () => found.watches.delete(response));
}

const event = (type: string, item: string): string => `{"type":"${type}","object":${item}}\n`;

function changeSlice(service: number, addresses: readonly string[]): void {
  version += 1;
  const slice = JSON.stringify(sliceObject(service, addresses, version, 0, new Date().toISOString()));
  for (const response of endpointSlices.watches) response.write(event("MODIFIED", slice));
}

/** The first slice of a Service with its first endpoint at an address of the moving kind, or as it was. */
function churnOnce(turn: number): void {
  const service = turn % shape.services;
  const count = Math.min(shape.endpoints, 100);
  const addresses = Array.from({ length: count }, (_, at) => backendAddress(shape, service, at));
  if (Math.floor(turn / shape.services) % 2 === 0) addresses[0] = movingBackend(2 + (service % 1000));
  changeSlice(service, addresses);
}

async function churn(perSecond: number, seconds: number): Promise<ReplayReply> {
  const begun = performance.now();
  let sent = 0;
  let lateMs = 0;
  while (sent < perSecond * seconds) {
    const due = Math.min(perSecond * seconds, Math.floor(((performance.now() - begun) / 1000) * perSecond));
    if (due > sent) lateMs = Math.max(lateMs, performance.now() - begun - ((sent + 1) * 1000) / perSecond);
    for (; sent < due; sent++) churnOnce(sent);
    await new Promise((resume) => setTimeout(resume, 1));
  }
  return { sent, lateMs };
}

async function obey(command: ReplayCommand): Promise<ReplayReply> {
  if (command.op === "churn") return await churn(command.perSecond, command.seconds);
  const atNs = String(process.hrtime.bigint());
  changeSlice(movingService(shape), [movingBackend(command.place)]);
  return { atNs };
}

const server = createServer(
  { key: readFileSync(`${directory}/key.pem`), cert: readFileSync(`${directory}/ca.crt`) },
  answer,
);
server.listen(Number(port), () => console.log(JSON.stringify({ listening: Number(port) })));
createInterface({ input: process.stdin }).on("line", (line) => {
  void obey(JSON.parse(line) as ReplayCommand).then((reply) => console.log(JSON.stringify(reply)));
});
