// SPDX-License-Identifier: Apache-2.0
// Answers list and watch as an API server does, from objects made by formula: what a proxy needs of a cluster of any size.
import { readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import {
  backendAddress,
  type ClusterNode,
  type ClusterShape,
  churnedBackend,
  type KubernetesObject,
  movingBackend,
  movingService,
  nodeObject,
  servicesOf,
  sliceObject,
  slicesOf,
} from "./cluster-objects.ts";
import { ReplayedKind, refuse } from "./replayed-kind.ts";

/** What it is told on stdin, one JSON a line. */
export type ReplayCommand =
  /** The moving Service's endpoint goes to this place; answers when the event was given to the sockets. */
  | { readonly op: "move"; readonly place: number }
  /** One endpoint of a Service changes, `perSecond` times a second for `seconds`, over all Services in turn. */
  | { readonly op: "churn"; readonly perSecond: number; readonly seconds: number };

export interface ReplayReply {
  /** Of CLOCK_MONOTONIC, in nanoseconds, right before the bytes were handed over. */
  readonly atNs?: string;
  readonly sent?: number;
  /** The resourceVersion of the last change. */
  readonly version?: number;
  /** The longest time by which an event went out late. */
  readonly lateMs?: number;
}

const [directory = "", port = "6443", shapeText = "{}", nodesText = "[]"] = process.argv.slice(2);
const shape = JSON.parse(shapeText) as ClusterShape;
const nodes = JSON.parse(nodesText) as readonly ClusterNode[];

const numbers = Array.from({ length: shape.services + 1 }, (_, service) => service);
const slices = numbers.map((service) => slicesOf(shape, service));
/** Where the first slice of each Service is in the list. */
const firstSlices: number[] = [0];
for (const [service, { length }] of slices.entries()) firstSlices[service + 1] = (firstSlices[service] ?? 0) + length;
const texts = (objects: readonly KubernetesObject[]) => objects.map((object) => JSON.stringify(object));
const endpointSlices = new ReplayedKind("EndpointSliceList", "discovery.k8s.io/v1", texts(slices.flat()));
const kinds: Readonly<Record<string, ReplayedKind>> = {
  "/api/v1/services": new ReplayedKind("ServiceList", "v1", texts(servicesOf(shape))),
  "/apis/discovery.k8s.io/v1/endpointslices": endpointSlices,
  "/api/v1/nodes": new ReplayedKind("NodeList", "v1", texts(nodes.map(nodeObject))),
  "/api/v1/pods": new ReplayedKind("PodList", "v1"),
  "/apis/networking.k8s.io/v1/servicecidrs": new ReplayedKind("ServiceCIDRList", "networking.k8s.io/v1"),
};
let version = 2;

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
  if (found === undefined) refuse(response, { code: 404, reason: "NotFound" });
  else if (path !== pathname && name !== undefined) found.one(name, response);
  else if (query.get("watch") === null) found.list(query, name, version, response);
  else found.watch(query, name, version, response);
}

function changeSlice(service: number, addresses: readonly string[]): bigint {
  version += 1;
  const slice = JSON.stringify(sliceObject(service, addresses, version, 0, new Date().toISOString()));
  return endpointSlices.change(firstSlices[service] ?? 0, slice, version);
}

/** The first slice of a Service with its first endpoint at an address of the moving kind, or as it was. */
function churnOnce(turn: number): void {
  const service = turn % shape.services;
  const count = Math.min(shape.endpoints, 100);
  const addresses = Array.from({ length: count }, (_, at) => backendAddress(shape, service, at));
  if (Math.floor(turn / shape.services) % 2 === 0) addresses[0] = churnedBackend(service);
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
  return { sent, lateMs, version };
}

async function obey(command: ReplayCommand): Promise<ReplayReply> {
  if (command.op === "churn") return await churn(command.perSecond, command.seconds);
  return { atNs: String(changeSlice(movingService(shape), [movingBackend(command.place)])) };
}

const server = createServer(
  { key: readFileSync(`${directory}/key.pem`), cert: readFileSync(`${directory}/ca.crt`) },
  answer,
);
server.listen(Number(port), () => console.log(JSON.stringify({ listening: (server.address() as AddressInfo).port })));
createInterface({ input: process.stdin }).on("line", (line) => {
  void obey(JSON.parse(line) as ReplayCommand).then((reply) => console.log(JSON.stringify(reply)));
});
